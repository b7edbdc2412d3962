//! `partyline erase`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use partyline::app::{App, Ports};
use partyline::config::Source;
use partyline::service::erase_contact::{ContactData, erase_contact, find_contact_data};

use super::offline;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The key of the agency
    #[arg(long)]
    agency: String,
    /// The address of the contact: a phone number, a short code, a sender name or a channel address
    #[arg(long, value_parser = super::address, value_name = "ADDRESS")]
    contact: String,
    /// Delete the data; without it, only the numbers of rows are printed
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(source: &Source, ports: Ports, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let app = offline(source, ports).await?;
    let result = execute(&app, &arguments).await;
    app.close(Duration::from_secs(5)).await;
    result.map(|()| ExitCode::SUCCESS)
}

async fn execute(app: &App, Arguments { agency, contact, yes }: &Arguments) -> anyhow::Result<()> {
    let data = find_contact_data(&app.services, agency, contact).await?;
    print_counts(&data);
    if data.has_opted_out {
        println!(
            "The contact has opted out. The address and the time of the opt-out are kept, so that no text is sent."
        );
    }
    if !yes {
        println!("Nothing was deleted. Repeat the command with --yes to delete these rows here and at Twilio.");
        return Ok(());
    }
    erase_contact(&app.services, agency, contact).await?;
    println!("Erased. A running server deletes the messages, calls and recordings at Twilio.");
    println!("Backups and the logs of Twilio may still contain the data.");
    Ok(())
}

fn print_counts(data: &ContactData) {
    let rows = &data.rows;
    for (name, count) in [
        ("contacts", u64::from(data.has_contact)),
        ("threads", rows.threads),
        ("messages", rows.messages),
        ("files", rows.files),
        ("calls", rows.calls),
        ("recordings", rows.recordings),
        ("drafts", rows.drafts),
        ("activity entries", rows.activities),
        ("notifications", rows.notifications),
        ("quarantined texts", data.quarantined),
    ] {
        println!("{name:<18} {count}");
    }
}
