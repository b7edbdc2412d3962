//! `partyline restore`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use partyline::app::Ports;
use partyline::config::{DataSettings, Source};
use partyline::service::backup::put_back;
use partyline::service::restore::RestoreError;
use partyline::startup::lock_database;

use super::backup::data_files;
use super::restored::{complete, print};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A file that `partyline backup` has written
    file: PathBuf,
    /// Replace a database that is not empty; it is kept under another name
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(source: &Source, ports: Ports, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let files = data_files(&DataSettings::read(source)?)?;
    // A running server would go on writing to the file that is replaced.
    let lock = lock_database(files.database.clone())?;
    let Arguments { file, force } = arguments;
    let (now, ids) = (ports.clock.now(), ports.ids.clone());
    let restored = tokio::task::spawn_blocking(move || put_back(&files, &file, force, now, ids.as_ref())).await??;
    let (manifest, counts) = (&restored.manifest, &restored.manifest.counts);
    println!("Restored the backup of {}: {} texts, {} files", manifest.created_at, counts.messages, counts.files);
    for kept in &restored.kept {
        println!("The previous file is now {}", kept.display());
    }
    if !restored.has_secrets {
        println!("The backup contains no secrets: the secret key next to the database or in the settings is used");
    }
    let completed = complete(source, ports).await;
    drop(lock);
    match completed {
        Ok(summary) => print(&summary),
        Err(error) if matches!(error.downcast_ref(), Some(RestoreError::Carrier { .. })) => {
            println!("Not complete: {error}");
            println!("Nothing is sent until you run `partyline restored`, which needs access to Twilio.");
        }
        Err(error) => {
            return Err(error).context(
                "the backup is in place, but the restore is not complete. Correct the following error and run \
                 `partyline restored`; nothing is sent before",
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
