//! `partyline migrate`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use migration::{Migrator, MigratorTrait as _};
use partyline::app::migrate_up;
use partyline::config::{Settings, Source};
use partyline::store::Database;

#[derive(Subcommand)]
pub(crate) enum MigrateCommand {
    /// Apply all pending migrations
    Up,
    /// Revert the last migration; the data that it added are lost
    Down,
    /// List all migrations, each with `applied` or `pending`
    Status,
}

pub(crate) async fn run(source: &Source, command: MigrateCommand) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(source)?;
    if let MigrateCommand::Up = command {
        migrate_up(&settings).await?;
        println!("The schema is up to date.");
        return Ok(ExitCode::SUCCESS);
    }
    let database = Database::open(&settings.database_url).await?;
    let conn = database.connect_to_migrate().await.context("the database cannot be reached")?;
    if let MigrateCommand::Down = command {
        Migrator::down(&conn, Some(1)).await.context("the migration cannot be reverted")?;
        println!("The last migration was reverted.");
    } else {
        Migrator::install(&conn).await.context("the applied migrations cannot be read")?;
        let applied = Migrator::get_applied_migrations(&conn).await.context("the applied migrations cannot be read")?;
        for migration in Migrator::get_migration_files() {
            let is_applied = applied.iter().any(|applied| applied.name() == migration.name());
            println!("{:<8} {}", if is_applied { "applied" } else { "pending" }, migration.name());
        }
    }
    Ok(ExitCode::SUCCESS)
}
