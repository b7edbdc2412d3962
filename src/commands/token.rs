//! `partyline token`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use partyline::app::Ports;
use partyline::config::Source;

use super::offline;

pub(crate) async fn run(
    source: &Source,
    ports: Ports,
    agency: &str,
    user: &str,
    ttl: Duration,
) -> anyhow::Result<ExitCode> {
    let now = ports.clock.now();
    let app = offline(source, ports).await?;
    let directory = app.services.directories.by_key(agency).await.context("the database does not answer")?;
    let Some(directory) = directory else { bail!("there is no agency with the key {agency}") };
    if !directory.user_by_key(user).is_some_and(|user| user.active) {
        bail!("the agency {agency} has no active user with the key {user}");
    }
    println!("{}", app.authenticator.issue(agency, user, ttl, now)?);
    app.close(Duration::from_secs(5)).await;
    Ok(ExitCode::SUCCESS)
}
