//! What every test stands on: a server of its own, a clock, names, a database, a carrier's hand.

mod api;
mod app;
mod batch;
pub(crate) mod carrier;
pub(crate) mod clock;
pub(crate) mod database;
pub(crate) mod directory;
mod ids;
pub(crate) mod issuer;
pub(crate) mod log;
pub(crate) mod outage;
pub(crate) mod outbound;
pub(crate) mod process;
pub(crate) mod random;
mod rows;
pub(crate) mod site;
pub(crate) mod socket;
mod text;
pub(crate) mod voice;
pub(crate) mod wait;

pub(crate) use app::{EMPTY_RESPONSE, TestApp, client, settings};
pub(crate) use text::{SMS_PATH, Text};
