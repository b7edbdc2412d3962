//! `partyline serve`

use std::process::ExitCode;

use partyline::app::{Extras, Ports};
use partyline::config::{Settings, Source};
use partyline::startup::{Options, prepare};
use partyline::telemetry::LogLimit;

pub(crate) async fn run(
    source: &Source,
    ports: Ports,
    log_limit: LogLimit,
    no_migrate: bool,
    graphiql: bool,
) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(source)?;
    let extras = Extras { graphiql, ..Extras::default() };
    prepare(settings, ports, Options { no_migrate, extras }).await?.serve(log_limit).await?;
    Ok(ExitCode::SUCCESS)
}
