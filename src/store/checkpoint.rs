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

/// Moves the pages after commits, until the writer has ended.
pub struct Checkpointer {
    conn: DatabaseConnection,
    commits: watch::Receiver<()>,
    end: oneshot::Receiver<()>,
    clock: Arc<dyn Clock>,
    figures: Arc<WriterFigures>,
    interval: Duration,
    is_stuck: bool,
}

impl Checkpointer {
    /// The senders of `commits` and `end` are dropped together, when the writer has ended.
    pub(super) fn new(
        conn: DatabaseConnection,
        commits: watch::Receiver<()>,
        end: oneshot::Receiver<()>,
        clock: Arc<dyn Clock>,
        figures: Arc<WriterFigures>,
    ) -> Self {
        Self { conn, commits, end, clock, figures, interval: BUSY_INTERVAL, is_stuck: false }
    }

    /// Waits for a commit and then for the interval, and moves pages. `None` once the writer has ended.
    ///
    /// # Errors
    /// If the pages were not moved. The writer's connection moves them instead.
    pub async fn run_next(&mut self) -> Option<Result<(), DbErr>> {
        if !self.wait_for_commit().await {
            if let Err(error) = self.conn.close_by_ref().await {
                tracing::warn!(error = describe(&error), "the connection for checkpoints did not close");
            }
            return None;
        }
        let result = checkpoint(&self.conn).await;
        self.interval = match &result {
            Ok(pages) if *pages >= BUSY_PAGES => BUSY_INTERVAL,
            Ok(_) | Err(_) => IDLE_INTERVAL,
        };
        Some(result.map(|pages| self.report(pages)))
    }

    /// Returns false if the writer has ended.
    async fn wait_for_commit(&mut self) -> bool {
        if self.commits.changed().await.is_err() {
            return false;
        }
        tokio::select! {
            () = self.clock.sleep(self.interval) => true,
            _ = &mut self.end => false,
        }
    }

    fn report(&mut self, pages: i64) {
        self.figures.log_pages.set(pages);
        if pages >= STUCK_PAGES && !self.is_stuck {
            tracing::warn!(pages, "the write-ahead log grows: a reader of the database does not end");
        }
        self.is_stuck = pages >= STUCK_PAGES;
    }
}

/// Moves what can be moved without waiting for anyone. Returns the length of the log in pages.
async fn checkpoint(conn: &DatabaseConnection) -> Result<i64, DbErr> {
    let statement = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(PASSIVE)");
    let row = conn.query_one_raw(statement).await?;
    // The columns are: whether it was refused, the pages in the log, and how many of them are moved.
    Ok(row.map(|row| row.try_get_by_index::<i32>(1)).transpose()?.unwrap_or_default().into())
}
