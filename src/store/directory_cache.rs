//! Caches directories. A cached directory is at most one second older than the database.
//!
//! A commit of this instance that changes a directory invalidates it immediately. Changes by other processes are
//! detected by comparing versions, at most once per second and agency.

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

/// Maximum age of a cached directory before its version is checked again.
const MAX_AGE: Duration = Duration::from_secs(1);

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
    /// When the version was last found to be current, in monotonic time.
    checked: Option<Duration>,
    /// The newest version that this instance has committed. Older versions are no longer returned.
    committed: i64,
    /// The latest refresh (single-flight): thousands of concurrent readers share one query and its result or error.
    refresh: Arc<OnceCell<Result<bool, DbErr>>>,
}

impl Entry {
    fn current(&self) -> Option<&Arc<Directory>> {
        self.directory.as_ref().filter(|directory| directory.version >= self.committed)
    }
}

impl DirectoryCache {
    pub fn new(conn: DatabaseConnection, clock: Arc<dyn Clock>) -> Self {
        Self { conn, clock, entries: RwLock::default(), keys: RwLock::default() }
    }

    /// The directory of an agency, at most one second old; `None` if the agency does not exist.
    pub async fn get(&self, agency: AgencyId) -> Result<Option<Arc<Directory>>, DbErr> {
        let now = self.clock.monotonic();
        loop {
            if let Some(directory) = self.fresh(agency, now) {
                return Ok(Some(directory));
            }
            let refresh = self.current_refresh(agency);
            // Boxed, so that the futures of readers that wait for another's refresh stay small.
            if !refresh.get_or_init(|| self.refresh(agency).boxed()).await.clone()? {
                return Ok(None);
            }
        }
    }

    /// Updates the cached directory from the database. Returns whether the agency exists.
    async fn refresh(&self, agency: AgencyId) -> Result<bool, DbErr> {
        let now = self.clock.monotonic();
        // A change may be committed between the statements that load a directory, or before it is cached. It is
        // consistent if the version is the same afterwards. Each further iteration means that another change was
        // committed meanwhile.
        while let Some(version) = self.version(agency).await? {
            let directory = match self.at_version(agency, version) {
                Some(cached) => cached,
                None => match Directory::load(&self.conn, agency).await? {
                    Some(loaded) if self.version(agency).await? == Some(loaded.version) => Arc::new(loaded),
                    Some(_) => continue,
                    None => return Ok(false),
                },
            };
            self.insert(directory, Some(now));
            if self.fresh(agency, now).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The directory of the agency with this key, its stable name in directory files.
    pub async fn by_key(&self, key: &str) -> Result<Option<Arc<Directory>>, DbErr> {
        // A key always refers to the same agency, so it is looked up once.
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

    /// [`Self::get`] without a query; `None` if a query would be necessary.
    pub fn cached(&self, agency: AgencyId) -> Option<Arc<Directory>> {
        self.fresh(agency, self.clock.monotonic())
    }

    /// The cached directory of an agency regardless of its age, for work that cannot wait for the database.
    pub fn last_known(&self, agency: AgencyId) -> Option<Arc<Directory>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(&agency)?.directory.clone()
    }

    /// The refresh in progress, or a new one if none is.
    fn current_refresh(&self, agency: AgencyId) -> Arc<OnceCell<Result<bool, DbErr>>> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(agency).or_default();
        if entry.refresh.initialized() {
            entry.refresh = Arc::default();
        }
        Arc::clone(&entry.refresh)
    }

    fn fresh(&self, agency: AgencyId, now: Duration) -> Option<Arc<Directory>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&agency)?;
        let fresh = entry.checked.is_some_and(|checked| now.saturating_sub(checked) < MAX_AGE);
        entry.current().filter(|_| fresh).cloned()
    }

    /// The cached directory, if it has exactly this version.
    pub(super) fn at_version(&self, agency: AgencyId, version: i64) -> Option<Arc<Directory>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&agency)?.directory.clone().filter(|directory| directory.version == version)
    }

    /// Caches a consistent directory: one that was loaded under the agency's lock or whose version was checked
    /// afterwards.
    pub(super) fn insert(&self, directory: Arc<Directory>, checked: Option<Duration>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(directory.agency_id()).or_default();
        let cached = entry.directory.as_ref().map_or(-1, |cached| cached.version);
        if directory.version >= cached {
            entry.checked = if directory.version == cached { checked.max(entry.checked) } else { checked };
            entry.directory = Some(directory);
        }
    }

    /// Forces the next reader to query the database, because another process may have changed the directory.
    pub fn expire(&self, agency: AgencyId) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(&agency) {
            entry.checked = None;
        }
    }

    /// Records that this instance has committed a version; older versions are no longer returned.
    pub(super) fn record_commit(&self, agency: AgencyId, version: i64) {
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
