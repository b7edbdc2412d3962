//! Detects that the database was restored from a backup, and holds sending until `partyline restored` has run.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sea_orm::DbErr;
use tokio::sync::watch;

use super::{Fault, Services};
use crate::domain::restore::{DatabaseState, RestoreEvidence, ServerRecord, detect_restore, is_incomplete};
use crate::ports::private_file;
use crate::store::restore_mark;
use crate::store::writer::{Tx, Unit, UnitError};

mod complete;

pub use complete::{RestoreError, Summary, complete_restore};

/// Compares the database with the server's own record of the database's progress, which is kept outside the database.
pub struct RestoreGuard {
    path: PathBuf,
    /// Whether the record is stored next to the database file.
    is_next_to_database: bool,
    /// The newest record; `None` before the first [`check`](Self::check).
    recorded: Mutex<Option<ServerRecord>>,
    held: watch::Sender<bool>,
}

impl RestoreGuard {
    /// Stores the record next to the SQLite file, or in the media folder if the database is not SQLite.
    pub fn new(sqlite_file: Option<PathBuf>, media: &Path) -> Self {
        let is_next_to_database = sqlite_file.is_some();
        let path = match sqlite_file {
            Some(mut file) => {
                file.as_mut_os_string().push(".restore-mark");
                file
            }
            None => media.join("restore-mark"),
        };
        Self { path, is_next_to_database, recorded: Mutex::default(), held: watch::Sender::new(false) }
    }

    /// Whether sending is on hold because the database was restored.
    pub fn is_held(&self) -> bool {
        *self.held.borrow()
    }

    /// Waits until sending is not on hold.
    pub async fn released(&self) {
        // `self` owns the sender, so the channel is not closed while this waits.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    /// Checks whether the database was restored, and holds or releases sending. Runs before the server starts to serve,
    /// and repeatedly while sending is on hold. Updates the record if the database was not restored.
    pub async fn check(&self, services: &Services) -> Result<(), CheckError> {
        let conn = services.reader();
        let (mark, identity) = (restore_mark::find(conn).await?, restore_mark::identity(conn).await?);
        let events = restore_mark::events(conn).await?;
        let stored = mark.as_ref().map(|mark| DatabaseState {
            restores: mark.restores,
            events,
            is_same_database: mark.identity == identity,
            is_incomplete: is_incomplete(&mark.identity),
        });
        match detect_restore(self.read(), stored, self.is_next_to_database) {
            Ok(()) => {
                let restores = mark.as_ref().map_or(0, |mark| mark.restores);
                if mark.is_none() {
                    services.writer.run_for(Vec::new(), SaveMark { restores, identity }).await.map_err(Fault::from)?;
                }
                self.write(ServerRecord { restores, events })?;
                if self.held.send_replace(false) {
                    tracing::info!("the restore is complete; texts are sent again");
                }
            }
            Err(evidence) => self.hold(evidence),
        }
        Ok(())
    }

    fn hold(&self, evidence: RestoreEvidence) {
        if !self.held.send_replace(true) {
            tracing::error!(
                %evidence,
                "the database was restored from a backup; no text is sent until you run `partyline restored`"
            );
        }
    }

    /// Records the database's progress. Called before each text is sent, so that a backup from before that text is
    /// detected.
    pub async fn record(&self, services: &Services) -> Result<(), CheckError> {
        let recorded = *self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a check, as in CLI commands, nothing is recorded.
        let Some(recorded) = recorded.filter(|_| !self.is_held()) else { return Ok(()) };
        let events = restore_mark::events(services.reader()).await?;
        if events > recorded.events { self.write(ServerRecord { events, ..recorded }) } else { Ok(()) }
    }

    /// Records the restored database as the current one.
    async fn accept(&self, services: &Services, restores: i64) -> Result<(), CheckError> {
        let events = restore_mark::events(services.reader()).await?;
        self.write(ServerRecord { restores, events })
    }

    fn read(&self) -> Option<ServerRecord> {
        fs::read_to_string(&self.path).ok().as_deref().and_then(ServerRecord::from_text)
    }

    fn write(&self, recorded: ServerRecord) -> Result<(), CheckError> {
        let mut last = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private_file::create_folder(folder)?;
        }
        private_file::replace(&self.path, recorded.to_text().as_bytes())?;
        *last = Some(recorded);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("cannot write the record of the database: {0}")]
    Record(#[from] std::io::Error),
}

impl From<DbErr> for CheckError {
    fn from(error: DbErr) -> Self {
        Self::Fault(error.into())
    }
}

struct SaveMark {
    restores: i64,
    identity: String,
}

impl Unit for SaveMark {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(restore_mark::save(tx.conn, self.restores, self.identity.clone()).await?)
    }
}
