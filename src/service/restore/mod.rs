//! What happens after a database has been restored from a backup: nothing is sent until `partyline restored` has run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sea_orm::DbErr;
use tokio::sync::watch;

use super::{Fault, Services};
use crate::domain::restore::{Evidence, Recorded, Stored, judge};
use crate::ports::private_file;
use crate::store::restore_mark;
use crate::store::writer::{Tx, Unit};

mod restored;

pub use restored::{NotRestored, Summary, restored};

/// The server's record of how far the database has got.
pub struct RestoreGuard {
    path: PathBuf,
    /// Whether the record lies beside the database itself.
    is_beside: bool,
    /// What was recorded last; `None` until [`check`](Self::check).
    recorded: Mutex<Option<Recorded>>,
    held: watch::Sender<bool>,
}

impl RestoreGuard {
    /// A guard that keeps its record beside an SQLite file, or else in the folder of recordings.
    pub fn new(sqlite_file: Option<PathBuf>, media: &Path) -> Self {
        let is_beside = sqlite_file.is_some();
        let path = match sqlite_file {
            Some(mut file) => {
                file.as_mut_os_string().push(".restore-mark");
                file
            }
            None => media.join("restore-mark"),
        };
        Self { path, is_beside, recorded: Mutex::default(), held: watch::Sender::new(false) }
    }

    /// Whether nothing is sent because the database was restored.
    pub fn is_held(&self) -> bool {
        *self.held.borrow()
    }

    /// Waits until texts may be sent.
    pub async fn released(&self) {
        // The sender is the guard's own, so the wait ends with the word.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    /// Judges the database, once before a server serves and then for as long as sending is held. A database that was not
    /// restored is recorded.
    ///
    /// # Errors
    /// When the database fails or the record cannot be written.
    pub async fn check(&self, services: &Services) -> Result<(), CheckError> {
        let conn = services.reader();
        let (mark, identity) = (restore_mark::find(conn).await?, restore_mark::identity(conn).await?);
        let events = restore_mark::events(conn).await?;
        let stored = mark.as_ref().map(|mark| Stored {
            restores: mark.restores,
            events,
            is_same_database: mark.identity == identity,
        });
        match judge(self.read(), stored, self.is_beside) {
            Ok(()) => {
                let restores = mark.as_ref().map_or(0, |mark| mark.restores);
                if mark.is_none() {
                    services.writer.run_for(Vec::new(), Mark { restores, identity }).await.map_err(Fault::from)?;
                }
                self.write(Recorded { restores, events })?;
                if self.held.send_replace(false) {
                    tracing::info!("the restore is complete: texts are sent again");
                }
            }
            Err(evidence) => self.hold(evidence),
        }
        Ok(())
    }

    fn hold(&self, evidence: Evidence) {
        if !self.held.send_replace(true) {
            tracing::error!(
                %evidence,
                "the database was restored from a backup: no text is sent until `partyline restored` has run"
            );
        }
    }

    /// Records how far the database has got. It is called before a text leaves, so that no backup from before that text
    /// passes for the database of today.
    ///
    /// # Errors
    /// When the database fails or the record cannot be written.
    pub async fn record(&self, services: &Services) -> Result<(), CheckError> {
        let recorded = *self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the check, as in commands, there is nothing to record for.
        let Some(recorded) = recorded.filter(|_| !self.is_held()) else { return Ok(()) };
        let events = restore_mark::events(services.reader()).await?;
        if events > recorded.events { self.write(Recorded { events, ..recorded }) } else { Ok(()) }
    }

    /// Records the database as it is after `partyline restored`.
    async fn accept(&self, services: &Services, restores: i64) -> Result<(), CheckError> {
        let events = restore_mark::events(services.reader()).await?;
        self.write(Recorded { restores, events })
    }

    fn read(&self) -> Option<Recorded> {
        fs::read_to_string(&self.path).ok().as_deref().and_then(Recorded::from_text)
    }

    fn write(&self, recorded: Recorded) -> Result<(), CheckError> {
        let mut last = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private_file::create_folder(folder)?;
        }
        private_file::replace(&self.path, recorded.to_text().as_bytes())?;
        *last = Some(recorded);
        Ok(())
    }
}

/// Why the database could not be judged or recorded.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The record cannot be written.
    #[error("the record of the database cannot be written: {0}")]
    Record(#[from] std::io::Error),
}

impl From<DbErr> for CheckError {
    fn from(error: DbErr) -> Self {
        Self::Fault(error.into())
    }
}

/// Stores the mark.
struct Mark {
    restores: i64,
    identity: String,
}

impl Unit for Mark {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        restore_mark::save(tx.conn, self.restores, self.identity.clone()).await
    }
}
