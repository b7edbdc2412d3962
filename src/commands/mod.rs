//! One command per file. What a command has to say goes to standard output; logs do not.
#![expect(clippy::print_stdout, reason = "standard output is a command's own")]

use partyline::app::{App, Ports, migrate_up};
use partyline::config::{Settings, Source};
use partyline::domain::phone::{InvalidPhone, contact_address, parse};

pub(crate) mod apply;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod quarantine;
pub(crate) mod restored;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod simulate;
mod simulate_call;
pub(crate) mod token;
pub(crate) mod twilio_sim;

/// A phone number on the command line, in E.164 or with spaces and dashes.
fn phone(text: &str) -> Result<String, InvalidPhone> {
    parse(text, None)
}

/// Who texts or calls, on the command line: a phone number, a short code, a sender's name or a channel address.
fn address(text: &str) -> Result<String, InvalidPhone> {
    contact_address(text, None)
}

/// The application without its server, on an up-to-date database: for commands that need no server
/// and work before the first one.
async fn offline(source: &Source, ports: Ports) -> anyhow::Result<App> {
    let settings = Settings::read(source)?;
    migrate_up(&settings).await?;
    App::open(settings, ports).await
}
