//! Two-way texting: authorization, limits, attempts, and status callbacks.

mod answers;
mod attempts;
mod gate;
mod held_kill;
mod holds;
mod kill;
mod limits;
mod pace;
mod receipts;
mod rules;
mod stale_views;
mod starting;
mod troubles;
mod turns;

use attempts::unreachable_webhooks;
