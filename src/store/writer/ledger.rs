//! The heads of the agencies' event logs during one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sea_orm::{
    ColumnTrait as _, DbBackend, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Committed, Transaction};
use crate::domain::{AgencyId, PhoneNumberId};
use crate::entity::{agency_position, event};
use crate::store::bulk::{insert, padded_list, upsert};
use crate::store::statements::{Statements as _, find};
use crate::store::{Directory, DirectoryCache};

#[derive(Debug, Clone)]
struct Head {
    row: agency_position::Model,
    locked_position: i64,
    locked_version: i64,
}

/// Assigns positions in memory and writes them once at the end, so that work that fails leaves no gap in the log.
pub(super) struct Ledger {
    heads: BTreeMap<AgencyId, Head>,
    events: Vec<event::Model>,
    /// Phone numbers for which a text was queued.
    sending: BTreeSet<(AgencyId, PhoneNumberId)>,
    /// Directories with uncommitted changes.
    own_directories: HashMap<AgencyId, Arc<Directory>>,
}

/// A state of the ledger to return to when a savepoint is rolled back.
pub(super) struct Mark {
    heads: BTreeMap<AgencyId, Head>,
    events: usize,
}

impl Ledger {
    /// Locks the position rows of the agencies in the order of their keys, so that two writers cannot deadlock. On
    /// SQLite, BEGIN IMMEDIATE is the lock.
    pub(super) async fn lock(tx: &Transaction<'_>, agencies: &BTreeSet<AgencyId>) -> Result<Self, DbErr> {
        let mut ledger = Self {
            heads: BTreeMap::new(),
            events: Vec::new(),
            sending: BTreeSet::new(),
            own_directories: HashMap::new(),
        };
        if !agencies.is_empty() {
            let mut query = agency_position::Entity::find()
                .filter(agency_position::Column::AgencyId.is_in(padded_list(agencies.iter().copied())))
                .order_by_asc(agency_position::Column::AgencyId);
            if tx.backend() != DbBackend::Sqlite {
                query = query.lock_exclusive();
            }
            for row in find(tx, query).await? {
                ledger.begin(row);
            }
        }
        Ok(ledger)
    }

    /// Adds the head of a log, which is locked or new.
    pub(super) fn begin(&mut self, row: agency_position::Model) {
        let head = Head { locked_position: row.position, locked_version: row.directory_version, row };
        self.heads.insert(head.row.agency_id, head);
    }

    pub(super) fn is_locked(&self, agency: AgencyId) -> bool {
        self.heads.contains_key(&agency)
    }

    /// Appends an event and returns its position.
    pub(super) fn append(&mut self, mut event: event::Model) -> Result<i64, DbErr> {
        let Some(head) = self.heads.get_mut(&event.agency_id) else {
            return Err(DbErr::Custom("an event belongs to an agency that is not locked".to_owned()));
        };
        head.row.position += 1;
        event.position = head.row.position;
        self.events.push(event);
        Ok(head.row.position)
    }

    /// Registers that a phone number has a text to send. It stays registered if the savepoint is rolled back; the
    /// outbox is then checked once without need.
    pub(super) fn add_sending(&mut self, agency: AgencyId, number: PhoneNumberId) {
        self.sending.insert((agency, number));
    }

    pub(super) fn directory_version(&self, agency: AgencyId) -> Option<i64> {
        self.heads.get(&agency).map(|head| head.row.directory_version)
    }

    /// Increments the directory's version, once per transaction.
    pub(super) fn directory_changed(&mut self, agency: AgencyId) {
        self.own_directories.remove(&agency);
        if let Some(head) = self.heads.get_mut(&agency) {
            head.row.directory_version = head.locked_version + 1;
        }
    }

    pub(super) fn changes_directory(&self, agency: AgencyId) -> bool {
        self.heads.get(&agency).is_some_and(|head| head.row.directory_version != head.locked_version)
    }

    pub(super) fn own_directory(&self, agency: AgencyId) -> Option<Arc<Directory>> {
        self.own_directories.get(&agency).cloned()
    }

    pub(super) fn set_own_directory(&mut self, agency: AgencyId, directory: Arc<Directory>) {
        self.own_directories.insert(agency, directory);
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { heads: self.heads.clone(), events: self.events.len() }
    }

    pub(super) fn return_to(&mut self, mark: Mark) {
        self.heads = mark.heads;
        self.events.truncate(mark.events);
        self.own_directories.clear();
    }

    /// Writes the events and the new heads.
    pub(super) async fn write(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        use agency_position::Column::{AgencyId, DirectoryVersion, Position};
        insert(tx, self.events.clone()).await?;
        let moved = |head: &&Head| {
            head.row.position != head.locked_position || head.row.directory_version != head.locked_version
        };
        let rows: Vec<_> = self.heads.values().filter(moved).map(|head| head.row.clone()).collect();
        upsert(tx, rows, &[AgencyId], &[Position, DirectoryVersion]).await
    }

    /// The effects of the commit by agency, with events in the order of the log.
    pub(super) fn into_committed(self, directories: &DirectoryCache) -> Vec<Committed> {
        for (agency, head) in &self.heads {
            if head.row.directory_version != head.locked_version {
                directories.record_commit(*agency, head.row.directory_version);
            }
        }
        let empty = |agency| Committed { agency, events: Vec::new(), sending: Vec::new() };
        let mut by_agency: BTreeMap<AgencyId, Committed> = BTreeMap::new();
        for event in self.events {
            let agency = event.agency_id;
            by_agency.entry(agency).or_insert_with(|| empty(agency)).events.push(Arc::new(event));
        }
        for (agency, number) in self.sending {
            by_agency.entry(agency).or_insert_with(|| empty(agency)).sending.push(number);
        }
        by_agency.into_values().collect()
    }
}
