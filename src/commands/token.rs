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

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<TokenCommand>,
    #[command(flatten)]
    user: Option<UserKeys>,
    /// The lifetime of the token, such as 90s, 30m, 12h or 7d; at most 30d
    #[arg(long, default_value = "12h", value_parser = partyline::config::duration)]
    ttl: Duration,
    /// Print a link to the console that signs the user in once, within 10 minutes, instead of a token
    #[arg(long, conflicts_with = "ttl")]
    sign_in_link: bool,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Revoke all tokens of this user
    Revoke(UserKeys),
}

#[derive(Args)]
struct UserKeys {
    /// The key of the agency in the directory file
    #[arg(long)]
    agency: String,
    /// The key of the user in the directory file
    #[arg(long)]
    user: String,
}

pub(crate) async fn run(source: &Source, ports: Ports, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { command, user, ttl, sign_in_link } = arguments;
    let ids = ports.ids.clone();
    let now = ports.clock.now();
    let app = offline(source, ports).await?;
    match (command, user) {
        (Some(TokenCommand::Revoke(keys)), _) => {
            let (directory, user) = keys.find(&app).await?;
            revoke_tokens(&app.services, directory.agency_id(), user.id).await?;
        }
        (None, Some(keys)) => {
            let (directory, user) = keys.find(&app).await?;
            if !user.active {
                bail!("the user {} of the agency {} is not active", keys.user, keys.agency);
            }
            if sign_in_link {
                println!("{}", app.sign_in_link(directory.agency_id(), user.id).await?);
            } else {
                let subject = Subject { agency: &keys.agency, user: &keys.user, generation: user.token_generation };
                println!("{}", app.services.authenticator.issue(subject, ttl, now, ids.uuid(now))?);
            }
        }
        (None, None) => bail!("--agency and --user are required"),
    }
    app.close(Duration::from_secs(5)).await;
    Ok(ExitCode::SUCCESS)
}

impl UserKeys {
    async fn find(&self, app: &App) -> anyhow::Result<(Arc<Directory>, Arc<user::Model>)> {
        let Self { agency, user } = self;
        let directory = app.services.directories.by_key(agency).await.context("the database is not available")?;
        let Some(directory) = directory else { bail!("there is no agency with the key {agency}") };
        let Some(user) = directory.user_by_key(user).cloned() else {
            bail!("the agency {agency} has no user with the key {user}")
        };
        Ok((directory, user))
    }
}
