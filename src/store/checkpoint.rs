//! Moves the pages of SQLite's write-ahead log into the database file, on a connection of its own, so that commits do
//! not wait for it.
//!
//! The writer's connection still does it itself when the log is longer than [`WRITER_CHECKPOINT_PAGES`], because the log
//! starts from its beginning only when every page has been moved and the writer goes on writing meanwhile. Neither
//! moves pages that a reader's snapshot still needs. A reader that never ends would therefore let the log grow without
//! bound; the server's queries have time limits, but those of another process have none.
//! Source: `SQLite`, Write-Ahead Logging (sqlite.org/wal.html).

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::sync::{oneshot, watch};

use super::error_class::describe;
use super::writer::WriterFigures;
use crate::ports::Clock;

/// The length of the log, in pages of 4 KiB, at which the writer's connection moves its pages before it goes on.
pub(super) const WRITER_CHECKPOINT_PAGES: u32 = 4000;
/// The log file is cut to this size, in bytes, when it starts from its beginning.
pub(super) const LOG_FILE_BYTES: u32 = 64 << 20;
/// A log of as many pages is checked again soon.
const BUSY_PAGES: i64 = 1000;
const BUSY_INTERVAL: Duration = Duration::from_millis(100);
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// A log of as many pages (400 MiB) shows that a reader does not end.
const STUCK_PAGES: i64 = 100_000;

/// Runs until the sender of `commits` is dropped, which also drops that of `end`.
pub(super) async fn run(
    conn: DatabaseConnection,
    mut commits: watch::Receiver<()>,
    mut end: oneshot::Receiver<()>,
    clock: Arc<dyn Clock>,
    figures: Arc<WriterFigures>,
) {
    let (mut interval, mut is_stuck) = (BUSY_INTERVAL, false);
    while commits.changed().await.is_ok() {
        tokio::select! {
            () = clock.sleep(interval) => {}
            _ = &mut end => break,
        }
        match checkpoint(&conn).await {
            Ok(pages) => {
                figures.log_pages.set(pages);
                interval = if pages < BUSY_PAGES { IDLE_INTERVAL } else { BUSY_INTERVAL };
                if pages >= STUCK_PAGES && !is_stuck {
                    tracing::warn!(pages, "the write-ahead log grows: a reader of the database does not end");
                }
                is_stuck = pages >= STUCK_PAGES;
            }
            // The writer's connection moves the pages instead.
            Err(error) => {
                tracing::warn!(error = describe(&error), "the write-ahead log was not moved into the database");
                interval = IDLE_INTERVAL;
            }
        }
    }
    if let Err(error) = conn.close().await {
        tracing::warn!(error = describe(&error), "the connection for checkpoints did not close");
    }
}

/// Moves what can be moved without waiting for anyone. Returns the length of the log in pages.
async fn checkpoint(conn: &DatabaseConnection) -> Result<i64, DbErr> {
    let statement = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(PASSIVE)");
    let row = conn.query_one_raw(statement).await?;
    // The columns are: whether it was refused, the pages in the log, and how many of them are moved.
    Ok(row.map(|row| row.try_get_by_index::<i32>(1)).transpose()?.unwrap_or_default().into())
}
