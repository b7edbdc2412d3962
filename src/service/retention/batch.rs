//! Batches of deletions: their sizes, the pauses between them, and what they deleted.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DbErr;

use crate::domain::AgencyId;
use crate::domain::retention::{BATCH_SIZES, next_batch_size};
use crate::ports::Clock;
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError};

/// The pause after a batch, in which the writer serves others.
pub(super) const PAUSE: Duration = Duration::from_millis(30);

/// A kind of data that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PurgedKind {
    Messages,
    Calls,
    Files,
    Recordings,
    Events,
    Notifications,
    Activities,
    Quarantine,
    LateArrivals,
}

impl PurgedKind {
    /// The label of the kind in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Files => "files",
            Self::Recordings => "recordings",
            Self::Events => "events",
            Self::Notifications => "notifications",
            Self::Activities => "activities",
            Self::Quarantine => "quarantine",
            Self::LateArrivals => "late_arrivals",
        }
    }
}

/// How many rows were deleted, and how long the longest batch held the writer.
#[derive(Debug, Clone, Default)]
pub struct Purged {
    counts: BTreeMap<PurgedKind, u64>,
    longest: Duration,
}

impl Purged {
    /// The number of deleted rows of a kind.
    pub fn count(&self, kind: PurgedKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// The kinds of which rows were deleted.
    pub fn counts(&self) -> impl Iterator<Item = (PurgedKind, u64)> {
        self.counts.iter().map(|(kind, count)| (*kind, *count))
    }

    /// The time that the longest batch held the writer.
    pub fn longest_batch(&self) -> Duration {
        self.longest
    }

    fn add(&mut self, kind: PurgedKind, rows: u64, took: Duration) {
        if rows > 0 {
            *self.counts.entry(kind).or_default() += rows;
        }
        self.longest = self.longest.max(took);
    }
}

/// What a batch deleted.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    pub(crate) rows: u64,
    /// The digests of files that rows no longer show.
    pub(crate) files: Vec<String>,
}

impl Deleted {
    pub(crate) fn rows(rows: u64) -> Self {
        Self { rows, files: Vec::new() }
    }
}

/// The work of a batch. It needs no more than `Statements`, so that it runs on the lane's own connection to SQLite.
pub(crate) trait Deletion: Send + 'static {
    fn delete(&mut self, tx: &mut Tx<'_>) -> impl Future<Output = Result<Deleted, DbErr>> + Send;
}

struct Batch<D> {
    deletion: D,
    clock: Arc<dyn Clock>,
}

impl<D: Deletion> Unit for Batch<D> {
    type Output = (Deleted, Duration);
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, UnitError> {
        let began = self.clock.monotonic();
        let deleted = self.deletion.delete(tx).await?;
        Ok((deleted, self.clock.monotonic().saturating_sub(began)))
    }

    fn is_direct(&self) -> bool {
        true
    }
}

/// A series of batches.
pub(crate) struct Run<'a> {
    pub(crate) services: &'a Services,
    purged: &'a mut Purged,
    batches_left: u32,
    size: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(services: &'a Services, purged: &'a mut Purged, max_batches: u32) -> Self {
        Self { services, purged, batches_left: max_batches, size: *BATCH_SIZES.start() }
    }

    /// The number of rows in the next batch.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The number of rows of a kind that were deleted so far.
    pub(crate) fn count(&self, kind: PurgedKind) -> u64 {
        self.purged.count(kind)
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.batches_left == 0
    }

    /// Commits a batch, and pauses.
    pub(crate) async fn delete<D: Deletion>(
        &mut self,
        agency: Option<AgencyId>,
        kind: PurgedKind,
        deletion: D,
    ) -> Result<Vec<String>, Fault> {
        let unit = Batch { deletion, clock: Arc::clone(&self.services.clock) };
        let (deleted, took) = self.services.writer.run_for(agency.into_iter().collect(), unit).await?;
        self.purged.add(kind, deleted.rows, took);
        self.batches_left = self.batches_left.saturating_sub(1);
        self.size = next_batch_size(self.size, took);
        self.services.clock.pause(PAUSE).await;
        Ok(deleted.files)
    }
}
