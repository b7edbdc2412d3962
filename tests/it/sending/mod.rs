//! Two-way texting: the rules of sending, receipts, and the way to the carrier.

mod answers;
mod departures;
mod gate;
mod kill;
mod limits;
mod pace;
mod receipts;
mod rules;
mod stale_views;
mod starting;
mod troubles;
mod turns;

use departures::nowhere;
