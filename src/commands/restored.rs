//! `partyline restored`

use std::process::ExitCode;
use std::time::Duration;

use partyline::app::Ports;
use partyline::config::{Settings, Source};
use partyline::service::restore::{Summary, restored};
use partyline::startup::lock_beside;

use super::offline;

pub(crate) async fn run(source: &Source, ports: Ports) -> anyhow::Result<ExitCode> {
    // A server that runs on the file would not notice what changes here.
    let lock = Settings::read(source)?.sqlite_file().map(lock_beside).transpose()?;
    let app = offline(source, ports).await?;
    let done = restored(&app.services).await;
    app.close(Duration::from_secs(5)).await;
    drop(lock);
    let Summary { opt_outs, texts } = done?;
    println!("{opt_outs} opt-outs and opt-ins since the backup were read from Twilio");
    println!("{texts} texts of the backup are looked for at Twilio instead of being sent");
    Ok(ExitCode::SUCCESS)
}
