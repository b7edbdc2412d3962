//! `partyline quarantine`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use partyline::app::{App, Ports};
use partyline::config::Source;
use partyline::domain::QuarantineId;
use partyline::service::{Refusal, quarantine};
use partyline::store::writer::InboundOutcome;

use super::offline;

/// How many texts `list` shows.
const LIST: u64 = 1_000;

/// What to do with texts that fit no number.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Show the longest held first: id, time, reason, number; never the text itself
    List,
    /// Receive one as if it had been sent to this number of its account
    Assign {
        /// Its id
        id: QuarantineId,
        /// A live number
        #[arg(long, value_parser = super::phone)]
        number: String,
    },
    /// Put one aside
    Discard {
        /// Its id
        id: QuarantineId,
    },
}

pub(crate) async fn run(source: &Source, ports: Ports, what: What) -> anyhow::Result<ExitCode> {
    let app = offline(source, ports).await?;
    let done = act(&app, what).await;
    app.close(Duration::from_secs(5)).await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn act(app: &App, what: What) -> anyhow::Result<()> {
    match what {
        What::List => {
            for held in quarantine::list(&app.services, LIST).await? {
                println!("{}  {}  {:<9}  {}", held.id, held.created_at.to_rfc3339(), held.reason, held.to_address);
            }
        }
        What::Assign { id, number } => match quarantine::assign(&app.services, id, &number).await? {
            Ok(InboundOutcome::Stored(_, message)) => println!("stored as {message}"),
            Ok(InboundOutcome::Duplicate) => println!("it had been stored already"),
            Ok(InboundOutcome::Quarantined) => bail!("it fits this number no better"),
            Err(refusal) => refuse(&refusal)?,
        },
        What::Discard { id } => match quarantine::discard(&app.services, id).await? {
            Ok(()) => println!("discarded"),
            Err(refusal) => refuse(&refusal)?,
        },
    }
    Ok(())
}

fn refuse(refusal: &Refusal) -> anyhow::Result<()> {
    bail!("{}", refusal.message)
}
