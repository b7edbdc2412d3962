//! `partyline backup`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use partyline::app::Ports;
use partyline::config::{DataSettings, Source};
use partyline::service::backup::{DataFiles, Options, Report, create_backup};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file to create
    file: PathBuf,
    /// Include the two secrets that are stored next to the database
    #[arg(long)]
    with_secrets: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(source: &Source, ports: Ports, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let files = data_files(&DataSettings::read(source)?)?;
    let Arguments { file, with_secrets, force } = arguments;
    let options = Options { overwrite: force, with_secrets };
    let now = ports.clock.now();
    let (read, written) = (files.clone(), file.clone());
    let report = tokio::task::spawn_blocking(move || create_backup(&read, &written, options, now)).await??;
    println!("Written: {} ({} bytes)", file.display(), report.bytes);
    print(&files, &report, with_secrets);
    Ok(ExitCode::SUCCESS)
}

fn print(files: &DataFiles, report: &Report, with_secrets: bool) {
    let counts = &report.manifest.counts;
    println!("Texts: {}", counts.messages);
    match files.media {
        Some(_) => println!("Files: {}", counts.files),
        None => println!("Files: none. They are in object storage, which is not part of the backup"),
    }
    if counts.missing_files > 0 {
        println!("Files that the database names but the media folder no longer contains: {}", counts.missing_files);
    }
    if counts.damaged_files > 0 {
        println!("Files that are damaged and therefore not in the backup: {}", counts.damaged_files);
    }
    let names: Vec<_> = report.secrets.iter().map(|path| path.display().to_string()).collect();
    match (names.join(" and "), with_secrets) {
        (names, _) if names.is_empty() => println!(
            "Secrets: none are stored next to the database. Keep PARTYLINE_SECRET_KEY: without it, the Twilio tokens of \
             the backup cannot be decrypted"
        ),
        (names, true) => println!("Secrets: {names}. Anyone with the backup can decrypt its Twilio tokens"),
        (names, false) => println!(
            "Secrets: not included. Also keep {names}: without the secret key, the Twilio tokens of the backup cannot be \
             decrypted"
        ),
    }
}

/// The files of an SQLite database. Other databases have their own programs for backups.
pub(super) fn data_files(settings: &DataSettings) -> anyhow::Result<DataFiles> {
    if let Some(database) = settings.sqlite_file() {
        return Ok(DataFiles { database, media: settings.media_store.is_none().then(|| settings.media.clone()) });
    }
    let program = match settings.database_url.split(':').next() {
        Some("postgres" | "postgresql") => "pg_dump and pg_restore",
        Some("mysql") => "mariadb-dump and mariadb",
        _ => bail!("an SQLite database in memory cannot be backed up"),
    };
    bail!(
        "this command is for SQLite. Use {program}, copy the media folder, and run `partyline restored` after a restore: \
         see \"Back up and restore\" in docs/operations.md"
    )
}
