//! One command per file. What a command has to say goes to standard output; logs do not.
#![expect(clippy::print_stdout, reason = "standard output is a command's own")]

use partyline::app::{App, Ports, migrate_up};
use partyline::config::{Settings, Source};

pub(crate) mod apply;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod quarantine;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod simulate;
mod simulate_call;
pub(crate) mod token;
pub(crate) mod twilio_sim;

/// The application without its server, on an up-to-date database: for commands that need no server
/// and work before the first one.
async fn offline(source: &Source, ports: Ports) -> anyhow::Result<App> {
    let settings = Settings::read(source)?;
    migrate_up(&settings).await?;
    App::open(settings, ports).await
}
