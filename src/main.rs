//! The command line.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use partyline::app::Ports;
use partyline::config::{LogSettings, SETTINGS, Source};
use partyline::ports::{SystemClock, SystemIdGen};
use partyline::telemetry;

mod commands;

/// With many short-lived sockets, rows and responses of different sizes, the system's allocator fragments memory.
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
    /// Run the server until SIGTERM; migrates the database schema first
    #[command(after_help = settings_help())]
    Serve {
        /// Do not migrate the database schema
        #[arg(long)]
        no_migrate: bool,
        /// Serve the GraphiQL page at /graphiql
        #[arg(long)]
        graphiql: bool,
    },
    /// Run a demo agency on an SQLite file with a simulated carrier, and print how to sign in
    Demo {
        /// Address and port of the simulated carrier
        #[arg(long, default_value = "127.0.0.1:8090")]
        carrier: std::net::SocketAddr,
    },
    /// Run the simulated carrier alone: Twilio's REST API and signed webhooks
    TwilioSim(Box<commands::twilio_sim::Arguments>),
    /// Text and call from a simulated phone, on a running demo or twilio-sim
    Simulate {
        #[command(subcommand)]
        what: commands::simulate::SimulateCommand,
    },
    /// Apply a directory file (YAML); atomic and repeatable
    Apply {
        /// The directory file; - reads standard input
        file: std::path::PathBuf,
    },
    /// Print a bearer token for a user, or revoke all tokens of a user
    Token(commands::token::Arguments),
    /// Migrate the database schema, or show its status
    Migrate {
        #[command(subcommand)]
        what: commands::migrate::MigrateCommand,
    },
    /// Write an SQLite database and its files to one backup file; the server may be running
    Backup(commands::backup::Arguments),
    /// Put a backup file in place of the SQLite database and make it safe to send; the server must be stopped
    Restore(commands::restore::Arguments),
    /// Make it safe to send from a database that was restored from a backup; run it before `serve`
    Restored,
    /// Print the GraphQL schema
    Schema,
    /// Print the OpenAPI document of the REST routes
    Openapi,
    /// List, assign or discard quarantined texts
    Quarantine {
        #[command(subcommand)]
        what: commands::quarantine::QuarantineCommand,
    },
    /// Delete what is stored about a contact, at Twilio too; a dry run unless --yes is given
    Erase(commands::erase::Arguments),
    /// Check configuration, database, webhook addresses and Twilio credentials
    Doctor,
}

fn settings_help() -> String {
    let line = |setting: &partyline::config::Setting| {
        format!("  {:<28} {} [{}]\n", setting.name, setting.help, setting.default)
    };
    format!("Settings (environment variables):\n{}", SETTINGS.iter().map(line).collect::<String>())
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the error message of a failed command")]
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
    // Dropped last, so that the remaining spans are exported.
    let (limit, _export) = telemetry::init(&LogSettings::read(&source)?, ports.clock.clone())?;
    match command {
        Command::Serve { no_migrate, graphiql } => {
            commands::serve::run(&source, ports, limit, no_migrate, graphiql).await
        }
        Command::Demo { carrier } => commands::demo::run(source, ports, limit, carrier).await,
        Command::TwilioSim(arguments) => commands::twilio_sim::run(*arguments).await,
        Command::Simulate { what } => commands::simulate::run(ports, what).await,
        Command::Apply { file } => commands::apply::run(&source, ports, &file).await,
        Command::Token(arguments) => commands::token::run(&source, ports, arguments).await,
        Command::Migrate { what } => commands::migrate::run(&source, what).await,
        Command::Backup(arguments) => commands::backup::run(&source, ports, arguments).await,
        Command::Restore(arguments) => commands::restore::run(&source, ports, arguments).await,
        Command::Restored => commands::restored::run(&source, ports).await,
        Command::Schema => Ok(commands::schema::run()),
        Command::Openapi => commands::openapi::run(),
        Command::Quarantine { what } => commands::quarantine::run(&source, ports, what).await,
        Command::Erase(arguments) => commands::erase::run(&source, ports, arguments).await,
        Command::Doctor => commands::doctor::run(&source, ports).await,
    }
}
