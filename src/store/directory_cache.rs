//! Directories in memory, never more than a second behind the database.
//!
//! On this instance a commit that changes a directory drops it here at once; a change by another
//! process is seen when the version is looked up again, at most once a second.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use tokio::sync::OnceCell;

use super::Directory;
use crate::domain::AgencyId;
use crate::entity::{agency, agency_position};
use crate::ports::Clock;

/// How old a cached directory may be.
const FRESH: Duration = Duration::from_secs(1);

/// Directories by agency.
#[derive(Debug)]
pub struct DirectoryCache {
    conn: DatabaseConnection,
    clock: Arc<dyn Clock>,
    entries: RwLock<HashMap<AgencyId, Entry>>,
    keys: RwLock<HashMap<String, AgencyId>>,
}

#[derive(Debug, Default, Clone)]
struct Entry {
    directory: Option<Arc<Directory>>,
    /// When its version was last found to be the database's.
    checked: Option<Duration>,
    /// The newest version that this instance committed: what is older is not shown any more.
    committed: i64,
    /// The newest look at the database, or how it failed. One looks for all who ask meanwhile, for
    /// thousands may; they go on together when it is over.
    look: Arc<OnceCell<Result<bool, DbErr>>>,
}

impl Entry {
    fn current(&self) -> Option<&Arc<Directory>> {
        self.directory.as_ref().filter(|directory| directory.version >= self.committed)
    }
}

impl DirectoryCache {
    /// An empty cache over the reading pool.
    pub fn new(conn: DatabaseConnection, clock: Arc<dyn Clock>) -> Self {
        Self { conn, clock, entries: RwLock::default(), keys: RwLock::default() }
    }

    /// The directory of an agency, at most a second old; `None` if there is no such agency.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(&self, agency: AgencyId) -> Result<Option<Arc<Directory>>, DbErr> {
        let now = self.clock.monotonic();
        loop {
            if let Some(directory) = self.fresh(agency, now) {
                return Ok(Some(directory));
            }
            let look = self.look(agency);
            // Boxed: whoever waits for another's look has no room to make it.
            if !look.get_or_init(|| self.look_up(agency).boxed()).await.clone()? {
                return Ok(None);
            }
        }
    }

    /// Reads the directory as it is in the database; whether there is such an agency.
    async fn look_up(&self, agency: AgencyId) -> Result<bool, DbErr> {
        let now = self.clock.monotonic();
        // A change may commit between the statements that read a directory, or while we keep it:
        // it is whole when its version is the database's afterwards. Each turn means a commit, so
        // this ends.
        while let Some(version) = self.version(agency).await? {
            let directory = match self.at_version(agency, version) {
                Some(cached) => cached,
                None => match Directory::load(&self.conn, agency).await? {
                    Some(loaded) if self.version(agency).await? == Some(loaded.version) => Arc::new(loaded),
                    Some(_) => continue,
                    None => return Ok(false),
                },
            };
            self.keep(directory, Some(now));
            if self.fresh(agency, now).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The directory of the agency with this stable name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn by_key(&self, key: &str) -> Result<Option<Arc<Directory>>, DbErr> {
        // A key never changes hands, so it is looked up once.
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(key).copied();
        let id = match known {
            Some(id) => Some(id),
            None => {
                let query = agency::Entity::find().select_only().column(agency::Column::Id);
                let id = query.filter(agency::Column::Key.eq(key)).into_tuple().one(&self.conn).await?;
                if let Some(id) = id {
                    self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), id);
                }
                id
            }
        };
        match id {
            Some(id) => self.get(id).await,
            None => Ok(None),
        }
    }

    /// The same without looking at the database; `None` if it would have to be.
    pub fn in_memory(&self, agency: AgencyId) -> Option<Arc<Directory>> {
        self.fresh(agency, self.clock.monotonic())
    }

    /// The directory of an agency as it was last known, however long ago: for whoever cannot wait.
    pub fn last_known(&self, agency: AgencyId) -> Option<Arc<Directory>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(&agency)?.directory.clone()
    }

    /// A look that is not over.
    fn look(&self, agency: AgencyId) -> Arc<OnceCell<Result<bool, DbErr>>> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(agency).or_default();
        if entry.look.initialized() {
            entry.look = Arc::default();
        }
        Arc::clone(&entry.look)
    }

    fn fresh(&self, agency: AgencyId, now: Duration) -> Option<Arc<Directory>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&agency)?;
        let fresh = entry.checked.is_some_and(|checked| now.saturating_sub(checked) < FRESH);
        entry.current().filter(|_| fresh).cloned()
    }

    /// The cached directory, if it is of exactly this version.
    pub(super) fn at_version(&self, agency: AgencyId, version: i64) -> Option<Arc<Directory>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&agency)?.directory.clone().filter(|directory| directory.version == version)
    }

    /// Keeps a directory that is whole: read under the agency's lock, or found unchanged since.
    pub(super) fn keep(&self, directory: Arc<Directory>, checked: Option<Duration>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(directory.agency_id()).or_default();
        let held = entry.directory.as_ref().map_or(-1, |held| held.version);
        if directory.version >= held {
            entry.checked = if directory.version == held { checked.max(entry.checked) } else { checked };
            entry.directory = Some(directory);
        }
    }

    /// Another process may have changed it: the next who asks looks at the database.
    pub fn expire(&self, agency: AgencyId) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(&agency) {
            entry.checked = None;
        }
    }

    /// A commit of this instance made this version.
    pub(super) fn committed(&self, agency: AgencyId, version: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(agency).or_default();
        entry.committed = entry.committed.max(version);
    }

    async fn version(&self, agency: AgencyId) -> Result<Option<i64>, DbErr> {
        agency_position::Entity::find_by_id(agency)
            .select_only()
            .column(agency_position::Column::DirectoryVersion)
            .into_tuple()
            .one(&self.conn)
            .await
    }
}
