//! `partyline serve`

use std::process::ExitCode;

use partyline::app::{Extras, Ports};
use partyline::config::{Settings, Source};
use partyline::startup::{Options, prepare};

pub(crate) async fn run(source: &Source, ports: Ports, no_migrate: bool, graphiql: bool) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(source)?;
    let extras = Extras { graphiql, ..Extras::default() };
    prepare(settings, ports, Options { no_migrate, extras }).await?.serve().await?;
    Ok(ExitCode::SUCCESS)
}
