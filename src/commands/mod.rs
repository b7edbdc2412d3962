//! One command per file. The output of commands goes to standard output, and logs go to standard error.
#![expect(clippy::print_stdout, reason = "commands print their results")]

use partyline::app::{App, Ports, migrate_up};
use partyline::config::{Settings, Source};
use partyline::domain::phone::{InvalidPhone, contact_address, parse};

pub(crate) mod apply;
pub(crate) mod backup;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod erase;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod quarantine;
pub(crate) mod restore;
pub(crate) mod restored;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod simulate;
mod simulate_call;
pub(crate) mod token;
pub(crate) mod twilio_sim;

/// Parses a phone number argument: E.164, possibly with spaces and punctuation.
fn phone(text: &str) -> Result<String, InvalidPhone> {
    parse(text, None)
}

/// Parses the argument for the sender of a text or the caller: a phone number, a short code, a sender name or a channel
/// address such as `whatsapp:+13035560001`.
fn address(text: &str) -> Result<String, InvalidPhone> {
    contact_address(text, None)
}

/// Opens the application without a server and applies pending migrations, for commands that need no running server.
async fn offline(source: &Source, ports: Ports) -> anyhow::Result<App> {
    let settings = Settings::read(source)?;
    migrate_up(&settings).await?;
    App::open(settings, ports).await
}
