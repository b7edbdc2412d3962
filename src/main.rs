//! The command line.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use partyline::app::Ports;
use partyline::config::{LogSettings, SETTINGS, Source};
use partyline::ports::{SystemClock, SystemIdGen};
use partyline::telemetry;

mod commands;

/// Sockets come and go among rows and answers of every size: the system's allocator keeps the holes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "partyline", version, about, after_help = settings_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM; brings the database's schema up to date first
    #[command(after_help = settings_help())]
    Serve {
        /// Leave the schema as it is
        #[arg(long)]
        no_migrate: bool,
        /// Offer the GraphiQL page at /graphiql
        #[arg(long)]
        graphiql: bool,
    },
    /// Serve a demo agency on an SQLite file with a simulated carrier, and print a way in
    Demo {
        /// Where the simulated carrier listens
        #[arg(long, default_value = "127.0.0.1:8090")]
        carrier: std::net::SocketAddr,
    },
    /// The simulated carrier alone: Twilio's REST API and signed webhooks
    TwilioSim(Box<commands::twilio_sim::Arguments>),
    /// A person at a simulated phone, against a running demo or twilio-sim
    Simulate {
        /// What they do
        #[command(subcommand)]
        what: commands::simulate::What,
    },
    /// Make the directory as a YAML file says; all or nothing, as often as you like
    Apply {
        /// The file; - is standard input
        file: std::path::PathBuf,
    },
    /// Print a bearer token for a user, or revoke those that a user has
    Token(commands::token::Arguments),
    /// The database's schema
    Migrate {
        /// What to do
        #[command(subcommand)]
        what: commands::migrate::What,
    },
    /// Make a database that was restored from a backup safe to send from; run it before `serve`
    Restored,
    /// Print the GraphQL schema
    Schema,
    /// Print the OpenAPI document of the REST routes
    Openapi,
    /// Texts that fit no number
    Quarantine {
        /// What to do
        #[command(subcommand)]
        what: commands::quarantine::What,
    },
    /// Check configuration, database, webhook addresses and Twilio credentials
    Doctor,
}

fn settings_help() -> String {
    let line = |setting: &partyline::config::Setting| {
        format!("  {:<28} {} [{}]\n", setting.name, setting.help, setting.default)
    };
    format!("Settings, from the environment:\n{}", SETTINGS.iter().map(line).collect::<String>())
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the last word of a command that failed")]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("partyline: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let source = Source::environment()?;
    let ports = Ports { clock: Arc::new(SystemClock::new()), ids: Arc::new(SystemIdGen::new()) };
    let limit = telemetry::init(&LogSettings::read(&source)?, ports.clock.clone())?;
    tokio::spawn(limit.report());
    match command {
        Command::Serve { no_migrate, graphiql } => commands::serve::run(&source, ports, no_migrate, graphiql).await,
        Command::Demo { carrier } => commands::demo::run(source, ports, carrier).await,
        Command::TwilioSim(arguments) => commands::twilio_sim::run(ports, *arguments).await,
        Command::Simulate { what } => commands::simulate::run(ports, what).await,
        Command::Apply { file } => commands::apply::run(&source, ports, &file).await,
        Command::Token(arguments) => commands::token::run(&source, ports, arguments).await,
        Command::Migrate { what } => commands::migrate::run(&source, what).await,
        Command::Restored => commands::restored::run(&source, ports).await,
        Command::Schema => Ok(commands::schema::run()),
        Command::Openapi => commands::openapi::run(),
        Command::Quarantine { what } => commands::quarantine::run(&source, ports, what).await,
        Command::Doctor => commands::doctor::run(&source, ports).await,
    }
}
