//! `partyline quarantine`

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use partyline::app::{App, Ports};
use partyline::config::Source;
use partyline::domain::{QuarantineId, StoredEnum as _};
use partyline::service::quarantine;

use super::offline;

/// The maximum number of texts that `list` shows.
const MAX_LISTED: u64 = 1_000;

#[derive(Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List quarantined texts, oldest first: id, time, reason and number, never the text itself
    List,
    /// Process a quarantined text as if it were sent now to this number of its Twilio account
    Assign {
        /// The id of the quarantined text
        id: QuarantineId,
        /// An active phone number of the Twilio account
        #[arg(long, value_parser = super::phone)]
        number: String,
    },
    /// Mark a quarantined text as discarded; it stays in the database
    Discard {
        /// The id of the quarantined text
        id: QuarantineId,
    },
}

pub(crate) async fn run(source: &Source, ports: Ports, command: QuarantineCommand) -> anyhow::Result<ExitCode> {
    let app = offline(source, ports).await?;
    let result = execute(&app, command).await;
    app.close(Duration::from_secs(5)).await;
    result.map(|()| ExitCode::SUCCESS)
}

async fn execute(app: &App, command: QuarantineCommand) -> anyhow::Result<()> {
    match command {
        QuarantineCommand::List => {
            for held in quarantine::list(&app.services, MAX_LISTED).await? {
                println!(
                    "{}  {}  {:<16}  {}",
                    held.id,
                    held.created_at.to_rfc3339(),
                    held.reason.as_str(),
                    held.to_address
                );
            }
        }
        QuarantineCommand::Assign { id, number } => {
            let message = quarantine::assign_as_operator(&app.services, id, &number).await?;
            println!("Stored as {message}.");
        }
        QuarantineCommand::Discard { id } => {
            quarantine::discard_as_operator(&app.services, id).await?;
            println!("Discarded.");
        }
    }
    Ok(())
}
