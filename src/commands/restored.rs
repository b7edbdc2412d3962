//! `partyline restored`

use std::process::ExitCode;
use std::time::Duration;

use partyline::app::Ports;
use partyline::config::{Settings, Source};
use partyline::service::restore::{Summary, complete_restore};
use partyline::startup::lock_database;

use super::offline;

pub(crate) async fn run(source: &Source, ports: Ports) -> anyhow::Result<ExitCode> {
    // A running server does not notice changes that another process makes to an SQLite file.
    let lock = Settings::read(source)?.sqlite_file().map(lock_database).transpose()?;
    let summary = complete(source, ports).await;
    drop(lock);
    print(&summary?);
    Ok(ExitCode::SUCCESS)
}

/// Completes a restore while the caller holds the lock of the database.
pub(super) async fn complete(source: &Source, ports: Ports) -> anyhow::Result<Summary> {
    let app = offline(source, ports).await?;
    let result = complete_restore(&app.services).await;
    app.close(Duration::from_secs(5)).await;
    Ok(result?)
}

pub(super) fn print(summary: &Summary) {
    println!("Opt-outs and opt-ins since the backup, imported from Twilio: {}", summary.opt_outs);
    println!("Outbound texts of the backup that are looked up at Twilio instead of being sent: {}", summary.texts);
}
