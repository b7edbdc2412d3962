//! `partyline token`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use partyline::app::{App, Ports};
use partyline::config::Source;
use partyline::entity::user;
use partyline::service::authenticate::Subject;
use partyline::service::revoke_tokens::revoke_tokens;
use partyline::store::Directory;

use super::offline;

/// A token to print, or tokens to revoke.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    whose: Option<Whose>,
    /// How long the token is valid, at most 30d: 90s, 30m, 12h, 7d
    #[arg(long, default_value = "12h", value_parser = partyline::config::duration)]
    ttl: Duration,
}

#[derive(Subcommand)]
enum What {
    /// End all tokens that this user has
    Revoke(Whose),
}

#[derive(Args)]
struct Whose {
    /// The agency's key
    #[arg(long)]
    agency: String,
    /// The user's key
    #[arg(long)]
    user: String,
}

pub(crate) async fn run(source: &Source, ports: Ports, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { what, whose, ttl } = arguments;
    let ids = ports.ids.clone();
    let now = ports.clock.now();
    let app = offline(source, ports).await?;
    match (what, whose) {
        (Some(What::Revoke(whose)), _) => {
            let (directory, user) = whose.find(&app).await?;
            revoke_tokens(&app.services, directory.agency_id(), user.id).await?;
        }
        (None, Some(whose)) => {
            let (_, user) = whose.find(&app).await?;
            if !user.active {
                bail!("the user {} of the agency {} is not active", whose.user, whose.agency);
            }
            let subject = Subject { agency: &whose.agency, user: &whose.user, generation: user.token_generation };
            println!("{}", app.authenticator.issue(subject, ttl, now, ids.uuid(now))?);
        }
        (None, None) => bail!("--agency and --user are needed"),
    }
    app.close(Duration::from_secs(5)).await;
    Ok(ExitCode::SUCCESS)
}

impl Whose {
    async fn find(&self, app: &App) -> anyhow::Result<(Arc<Directory>, Arc<user::Model>)> {
        let Self { agency, user } = self;
        let directory = app.services.directories.by_key(agency).await.context("the database does not answer")?;
        let Some(directory) = directory else { bail!("there is no agency with the key {agency}") };
        let Some(user) = directory.user_by_key(user).cloned() else {
            bail!("the agency {agency} has no user with the key {user}")
        };
        Ok((directory, user))
    }
}
