//! Shared fixtures: the server under test, its database, clock, and ids, and simulated services around it.

mod api;
mod app;
mod batch;
pub(crate) mod carrier;
pub(crate) mod clock;
pub(crate) mod database;
pub(crate) mod database_outage;
pub(crate) mod directory;
pub(crate) mod failing_proxy;
mod ids;
pub(crate) mod issuer;
pub(crate) mod log;
pub(crate) mod outage;
pub(crate) mod outbound;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod recording_carrier;
mod refusals;
mod rows;
pub(crate) mod site;
pub(crate) mod socket;
mod text;
pub(crate) mod twilio_api;
pub(crate) mod voice;
pub(crate) mod wait;

pub(crate) use app::{EMPTY_RESPONSE, TestApp, client, settings};
pub(crate) use refusals::refusal;
pub(crate) use text::{PUBLIC_URL, SMS_PATH, Text};
