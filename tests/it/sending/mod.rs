//! Two-way texting: the rules of sending, receipts, and the way to the carrier.

mod receipts;
mod rules;
mod stale_views;
mod starting;
