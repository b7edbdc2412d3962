//! The only way to write to the database.
//!
//! A lane is one bounded queue and one task. The task takes the queued jobs, begins one transaction, runs all of them,
//! commits, and only then answers. SQLite has one lane because it allows one writer; PostgreSQL and MariaDB have
//! several, and all work of an agency goes through the same one.
//!
//! There are two kinds of jobs. A [`Unit`] runs in a savepoint of its own, so that its failure undoes nothing else.
//! Items of the [`BulkUnit`] are written together, in a constant number of statements. The writer knows nothing of what
//! either stores. Positions in the event log are assigned in memory and written once per transaction (`ledger`).
//!
//! Failures are contained: a unit that fails or panics is rolled back alone, a bulk item that fails is isolated by
//! halving, and a panic anywhere else costs its batch while the lane goes on (`lane`).

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use sea_orm::{DbBackend, DbErr};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Checkpointer, Database, DirectoryCache};
use crate::domain::{AgencyId, PhoneNumberId};
use crate::entity::event;
use crate::ports::{Clock, IdGen};
use job::{BulkJob, Job, PendingUnit, UnitJob};

mod batch;
pub mod figures;
mod job;
mod lane;
mod ledger;
mod transaction;
mod tx;

pub use figures::WriterFigures;
pub use transaction::Transaction;
pub use tx::{Notice, Tx};

/// Queue capacity per lane. When the queue is full, new work is rejected immediately. While the database is away, a
/// lane holds up to the same number of jobs again for retries.
const QUEUE_CAPACITY: usize = 1024;
/// Number of lanes on PostgreSQL and MariaDB.
const LANES: usize = 4;

/// A piece of work that is committed whole or not at all.
///
/// It may run more than once before it commits (after a deadlock, or when a batch is halved), so it must not carry
/// state from one run to the next.
pub trait Unit: Send + 'static {
    /// The answer to the caller once the work is durable.
    type Output: Send + 'static;
    /// An expected refusal. [`Infallible`] for work that is never refused.
    type Refusal: Send + 'static;

    /// Does the work. An error undoes everything that the unit wrote. A unit that must keep its writes although the
    /// answer is a refusal (a counter of failed attempts, for example) puts the refusal into its `Output`.
    fn run(&mut self, tx: &mut Tx<'_>) -> impl Future<Output = Result<Self::Output, UnitError<Self::Refusal>>> + Send;

    /// Whether the work is retried while the database is away.
    fn when_away(&self) -> WhenAway {
        WhenAway::Fail
    }

    /// Whether the work usually needs no more than [`Statements`](super::statements::Statements). On SQLite it is then
    /// tried on the lane's own connection first, which is faster, and is run again on SeaORM's if it needs more.
    fn is_direct(&self) -> bool {
        false
    }
}

/// Why a unit did not complete. In each case its savepoint is rolled back.
#[derive(Debug)]
pub enum UnitError<R = Infallible> {
    /// An expected refusal, answered as [`WriteError::Refused`].
    Refused(R),
    /// An invariant does not hold. The text is logged; it must not contain data of a client.
    Broken(&'static str),
    /// A statement failed, or a stored value could not be read.
    Database(DbErr),
}

impl UnitError {
    /// The same error of a unit that can also be refused.
    pub fn widen<R>(self) -> UnitError<R> {
        match self {
            Self::Broken(what) => UnitError::Broken(what),
            Self::Database(error) => UnitError::Database(error),
        }
    }
}

impl<R> From<DbErr> for UnitError<R> {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Work of one kind that a lane writes together: all items of a batch in a constant number of statements.
pub trait BulkUnit: Send + Sync + 'static {
    /// One piece of work.
    type Item: Send + Sync + 'static;
    /// The answer for one item once it is durable.
    type Output: Send + 'static;
    /// Rows that are read before the agencies are locked, because they tell which agencies the items belong to.
    type Located: Send;

    /// Selects the lane: the id of the item's agency if it is known, otherwise any id that related items share.
    fn lane_key(&self, item: &Self::Item) -> Uuid;

    /// Whether an item is retried while the database is away.
    fn when_away(&self, item: &Self::Item) -> WhenAway;

    /// Replaces an item that failed on its own by a form that can be stored in any case. Returns false if the item has
    /// that form already; it is then answered with an error.
    fn downgrade(&self, item: &mut Self::Item) -> bool;

    /// Finds the agencies of the items, which are locked next.
    fn locate(
        &self,
        conn: &Transaction<'_>,
        items: &[&Self::Item],
    ) -> impl Future<Output = Result<(BTreeSet<AgencyId>, Self::Located), DbErr>> + Send;

    /// Writes the items. Returns one output per item, in their order.
    fn write(
        &self,
        tx: &mut Tx<'_>,
        located: Self::Located,
        items: &[&Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Output>, UnitError>> + Send;
}

/// What happens to work while the database is away ([`is_unavailable`](super::error_class::is_unavailable)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// The caller is told immediately that the work failed.
    Fail,
    /// The work is retried on new connections until it is committed or the caller stops waiting. The caller must set a
    /// time limit, as webhooks do. The work must be idempotent: a COMMIT that failed may have taken effect.
    Retry,
}

/// Why work was not committed. Except for a refusal, the cause has been logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<R = Infallible> {
    /// The unit refused; nothing of it was stored.
    #[error("the work was refused")]
    Refused(R),
    /// The queue is full; nothing was tried.
    #[error("the writer's queue is full")]
    Overloaded,
    /// The lane has ended: the server is stopping, or the lane panicked repeatedly.
    #[error("the writer has stopped")]
    Stopped,
    /// This piece of work cannot be stored: the database rejected a value, an invariant does not hold, or it panicked.
    #[error("the work cannot be stored")]
    Rejected,
    /// The database failed; nothing of the work was stored.
    #[error("the database failed")]
    Failed,
}

impl<R> WriteError<R> {
    /// Separates the refusal from the failures.
    ///
    /// # Errors
    /// The failure, if the unit was not refused.
    pub fn into_refusal(self) -> Result<R, WriteError> {
        match self {
            Self::Refused(refusal) => Ok(refusal),
            Self::Overloaded => Err(WriteError::Overloaded),
            Self::Stopped => Err(WriteError::Stopped),
            Self::Rejected => Err(WriteError::Rejected),
            Self::Failed => Err(WriteError::Failed),
        }
    }
}

/// The effect of one commit on one agency.
#[derive(Debug)]
pub struct Committed {
    pub agency: AgencyId,
    /// The appended events, in the order of the log.
    pub events: Vec<Arc<event::Model>>,
    /// The phone numbers for which a text was queued.
    pub sending: Vec<PhoneNumberId>,
}

/// The part of the lanes' shared state that transactions use.
struct Context {
    directories: Arc<DirectoryCache>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGen>,
}

/// The state that all lanes share.
struct Shared<B> {
    database: Database,
    context: Context,
    bulk: B,
    figures: Arc<WriterFigures>,
    on_commit: Box<dyn Fn(Vec<Committed>) + Send + Sync>,
    /// Wakes the task that moves SQLite's write-ahead log.
    commits: watch::Sender<()>,
    /// Ends this task when it is dropped.
    _end: oneshot::Sender<()>,
}

/// Hands work to the lanes.
pub struct Writer<B: BulkUnit> {
    lanes: Vec<mpsc::Sender<Job<B>>>,
    shared: Arc<Shared<B>>,
}

/// The dependencies of a [`Writer`].
pub struct WriterParts<B> {
    pub database: Database,
    /// Receives the new version of each directory that a commit changes.
    pub directories: Arc<DirectoryCache>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
    pub bulk: B,
    /// Called after each commit, in the order of the log, before any caller is answered.
    pub on_commit: Box<dyn Fn(Vec<Committed>) + Send + Sync>,
}

/// The tasks of a [`Writer`]. They end after the writer is dropped.
pub struct WriterTasks {
    /// The lanes, which are running and supervise themselves.
    pub lanes: Vec<JoinHandle<()>>,
    /// To be run by the caller. `None` on databases other than SQLite.
    pub checkpointer: Option<Checkpointer>,
}

impl<B: BulkUnit> Writer<B> {
    /// Opens the lanes. They finish the queued work and end when the writer is dropped.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn open(parts: WriterParts<B>) -> Result<(Self, WriterTasks), DbErr> {
        let WriterParts { database, directories, clock, ids, bulk, on_commit } = parts;
        let is_sqlite = database.backend() == DbBackend::Sqlite;
        let count = if is_sqlite { 1 } else { LANES };
        let context = Context { directories, clock, ids };
        let figures = Arc::new(WriterFigures::default());
        let ((commits, committed), (end, ended)) = (watch::channel(()), oneshot::channel());
        let shared = Arc::new(Shared { database, context, bulk, figures, on_commit, commits, _end: end });
        let checkpointer = if is_sqlite {
            let conn = shared.database.connect_to_checkpoint().await?;
            let (clock, figures) = (shared.context.clock.clone(), shared.figures.clone());
            Some(Checkpointer::new(conn, committed, ended, clock, figures))
        } else {
            None
        };
        let mut lanes = Vec::with_capacity(count);
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            let (sender, queue) = mpsc::channel(QUEUE_CAPACITY);
            let lane = lane::Lane::open(shared.clone()).await?;
            lanes.push(sender);
            tasks.push(lane.start(queue)?);
        }
        Ok((Self { lanes, shared }, WriterTasks { lanes: tasks, checkpointer }))
    }

    /// Commits one item of the bulk unit.
    ///
    /// # Errors
    /// If it is not committed.
    pub async fn run_bulk(&self, item: B::Item) -> Result<B::Output, WriteError> {
        let lane = self.lane_of(self.shared.bulk.lane_key(&item));
        let (reply, answer) = oneshot::channel();
        self.submit(lane, Job::Bulk(Box::new(BulkJob { item, reply })), answer).await
    }

    /// Commits a unit of one agency.
    ///
    /// # Errors
    /// If it is refused or not committed.
    pub async fn run<U: Unit>(&self, agency: AgencyId, unit: U) -> Result<U::Output, WriteError<U::Refusal>> {
        self.run_for(vec![agency], unit).await
    }

    /// Commits a unit that touches several agencies. All of them are locked for it.
    ///
    /// # Errors
    /// If it is refused or not committed.
    pub async fn run_for<U: Unit>(
        &self,
        agencies: Vec<AgencyId>,
        unit: U,
    ) -> Result<U::Output, WriteError<U::Refusal>> {
        let lane = agencies.first().map_or(0, |agency| self.lane_of(agency.0));
        let (reply, answer) = oneshot::channel();
        let work = Box::new(PendingUnit { unit, result: None, reply });
        self.submit(lane, Job::Unit(UnitJob { agencies, work }), answer).await
    }

    pub fn figures(&self) -> &WriterFigures {
        &self.shared.figures
    }

    /// Number of queued jobs.
    pub fn queue_depth(&self) -> usize {
        self.lanes.iter().map(|lane| lane.max_capacity() - lane.capacity()).sum()
    }

    /// Whether every lane takes work. A lane that panicked repeatedly does not.
    pub fn is_serving(&self) -> bool {
        self.lanes.iter().all(|lane| !lane.is_closed())
    }

    async fn submit<T, R>(
        &self,
        lane: usize,
        job: Job<B>,
        answer: oneshot::Receiver<Result<T, WriteError<R>>>,
    ) -> Result<T, WriteError<R>> {
        let Some(lane) = self.lanes.get(lane) else { return Err(WriteError::Stopped) };
        match lane.try_send(job) {
            // A reply is dropped without an answer only if the lane panicked.
            Ok(()) => answer.await.unwrap_or(Err(WriteError::Failed)),
            Err(TrySendError::Full(_)) => {
                self.shared.figures.overloaded();
                Err(WriteError::Overloaded)
            }
            Err(TrySendError::Closed(_)) => Err(WriteError::Stopped),
        }
    }

    fn lane_of(&self, key: Uuid) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.lanes.len() as u64).unwrap_or(0)
    }
}
