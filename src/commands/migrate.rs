//! `partyline migrate`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use migration::{Migrator, MigratorTrait as _};
use partyline::app::migrate_up;
use partyline::config::{Settings, Source};
use partyline::store::Database;

/// What to do with the schema.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Bring it up to this program
    Up,
    /// Take the last change back; its data are lost
    Down,
    /// Say which changes are there
    Status,
}

pub(crate) async fn run(source: &Source, what: What) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(source)?;
    if let What::Up = what {
        migrate_up(&settings).await?;
        println!("the schema is up to date");
        return Ok(ExitCode::SUCCESS);
    }
    let database = Database::open(&settings.database_url).await?;
    let conn = database.connect_to_migrate().await.context("the database cannot be reached")?;
    if let What::Down = what {
        Migrator::down(&conn, Some(1)).await.context("the change could not be taken back")?;
        println!("the last change was taken back");
    } else {
        Migrator::install(&conn).await.context("the list of changes cannot be read")?;
        let applied = Migrator::get_applied_migrations(&conn).await.context("the list of changes cannot be read")?;
        for change in Migrator::get_migration_files() {
            let there = applied.iter().any(|applied| applied.name() == change.name());
            println!("{:<8} {}", if there { "applied" } else { "pending" }, change.name());
        }
    }
    Ok(ExitCode::SUCCESS)
}
