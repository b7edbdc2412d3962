//! The one way to write.
//!
//! A lane is one bounded queue and one task. It takes what is waiting, begins one transaction, runs
//! all of it, commits, and only then answers. SQLite has one lane, since it has one writer; the
//! others have a few, and an agency is always on the same one.
//!
//! Inbound texts of a batch are written set-based ([`inbound`]); every other piece of work is a
//! [`Unit`] in a savepoint of its own ([`batch`]). Positions of the event log are given out from
//! memory and written once ([`ledger`]).

use std::collections::HashMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hasher as _};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::{DbBackend, DbErr};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Database, DirectoryCache};
use crate::domain::address::is_e164;
use crate::domain::{AccountId, AgencyId, PhoneNumberId};
use crate::entity::event;
use crate::ports::{Clock, IdGen};

mod batch;
pub mod figures;
mod inbound;
mod inbound_plan;
mod lane;
mod ledger;
mod tx;

pub use figures::WriterFigures;
pub use inbound_plan::{InboundMedia, InboundOutcome, InboundText};
pub use tx::{Notice, Tx};

/// What waits at most in one lane; beyond it the answer is "later", at once. While the database is away, a lane holds as
/// much again of what it tries again.
const QUEUE: usize = 1024;
/// Lanes on PostgreSQL and MariaDB.
const LANES: usize = 4;

/// A piece of work that is committed whole or not at all.
///
/// It may run more than once before it commits (after a deadlock, or when a batch is halved), so it
/// keeps no trace of an earlier run. An expected refusal is part of its output, not an error.
pub trait Unit: Send + 'static {
    /// What the caller gets once the work is durable.
    type Output: Send + 'static;

    /// Does the work.
    fn run(&mut self, tx: &mut Tx<'_>) -> impl Future<Output = Result<Self::Output, DbErr>> + Send;

    /// What happens to the work while the database is away.
    fn when_away(&self) -> WhenAway {
        WhenAway::Fail
    }
}

/// What happens to work while the database is away ([`is_away`](super::failure::is_away)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// Its caller is told at once that it failed.
    Fail,
    /// It is tried again on new connections until it is committed or its caller stops waiting. The caller must stop in
    /// time, as webhooks do. The work must be idempotent: a failed COMMIT may have taken effect.
    Retry,
}

/// Why work was not committed. The cause has been logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The queue is full; nothing was tried.
    #[error("too much is waiting to be written")]
    Overloaded,
    /// The database refused this piece of work.
    #[error("the database refused the work")]
    Refused,
    /// The database failed; nothing of it was stored.
    #[error("the database failed")]
    Failed,
}

/// What a commit did to one agency.
#[derive(Debug)]
pub struct Committed {
    /// Whose.
    pub agency: AgencyId,
    /// The events it appended, in order.
    pub events: Vec<Arc<event::Model>>,
    /// The numbers from which a text is to be sent now.
    pub sending: Vec<PhoneNumberId>,
}

/// What lanes share.
struct Shared {
    database: Database,
    directories: Arc<DirectoryCache>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGen>,
    figures: Arc<WriterFigures>,
    on_commit: Box<dyn Fn(Vec<Committed>) + Send + Sync>,
    /// Which agency a number was last seen with: it picks the lane, and nothing else.
    agency_hints: RwLock<HashMap<(AccountId, String), AgencyId>>,
}

/// The entrance to the lanes.
pub struct Writer {
    lanes: Vec<mpsc::Sender<Job>>,
    shared: Arc<Shared>,
}

/// What a writer is made of.
pub struct WriterParts {
    /// Where to write.
    pub database: Database,
    /// Told of each directory that a commit changes.
    pub directories: Arc<DirectoryCache>,
    /// Dates everything.
    pub clock: Arc<dyn Clock>,
    /// Names everything.
    pub ids: Arc<dyn IdGen>,
    /// Called after each commit, in the order of the log, before anybody is answered.
    pub on_commit: Box<dyn Fn(Vec<Committed>) + Send + Sync>,
}

impl Writer {
    /// Opens the lanes. They end, all work done, when the writer is dropped.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(parts: WriterParts) -> Result<(Self, Vec<JoinHandle<()>>), DbErr> {
        let WriterParts { database, directories, clock, ids, on_commit } = parts;
        let count = if database.backend() == DbBackend::Sqlite { 1 } else { LANES };
        let figures = Arc::new(WriterFigures::default());
        let agency_hints = RwLock::default();
        let shared = Arc::new(Shared { database, directories, clock, ids, figures, on_commit, agency_hints });
        let mut lanes = Vec::with_capacity(count);
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            let (jobs, waiting) = mpsc::channel(QUEUE);
            let lane = lane::Lane::open(shared.clone()).await?;
            lanes.push(jobs);
            tasks.push(tokio::spawn(lane.run(waiting)));
        }
        Ok((Self { lanes, shared }, tasks))
    }

    /// Stores one inbound text, once, and answers when it is durable.
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn receive(&self, text: InboundText) -> Result<InboundOutcome, WriteError> {
        self.store(text, false).await
    }

    /// Stores an authentic form in quarantine without trying to make it a message; answers when that is durable.
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn quarantine(&self, text: InboundText) -> Result<InboundOutcome, WriteError> {
        self.store(text, true).await
    }

    async fn store(&self, text: InboundText, refused: bool) -> Result<InboundOutcome, WriteError> {
        let lane = self.lane_of_text(&text);
        let (reply, answer) = oneshot::channel();
        self.submit(lane, Job::Inbound(Box::new(InboundJob { text, refused, reply })), answer).await
    }

    /// Commits a piece of work of one agency.
    ///
    /// # Errors
    /// When it is not committed.
    pub async fn run<U: Unit>(&self, agency: AgencyId, unit: U) -> Result<U::Output, WriteError> {
        self.run_for(vec![agency], unit).await
    }

    /// Commits a piece of work that touches several agencies, all of them locked for it.
    ///
    /// # Errors
    /// When it is not committed.
    pub async fn run_for<U: Unit>(&self, agencies: Vec<AgencyId>, unit: U) -> Result<U::Output, WriteError> {
        let lane = agencies.first().map_or(0, |agency| self.lane_of(*agency));
        let (reply, answer) = oneshot::channel();
        let work = Box::new(Pending { unit, result: None, reply });
        self.submit(lane, Job::Unit(UnitJob { agencies, work }), answer).await
    }

    /// What the writer counts.
    pub fn figures(&self) -> &WriterFigures {
        &self.shared.figures
    }

    /// How many pieces of work are waiting.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.max_capacity() - lane.capacity()).sum()
    }

    async fn submit<T>(
        &self,
        lane: usize,
        job: Job,
        answer: oneshot::Receiver<Result<T, WriteError>>,
    ) -> Result<T, WriteError> {
        let Some(lane) = self.lanes.get(lane) else { return Err(WriteError::Failed) };
        if lane.try_send(job).is_err() {
            self.shared.figures.overloaded();
            return Err(WriteError::Overloaded);
        }
        // The lane answers everything that it took, unless it died.
        answer.await.unwrap_or(Err(WriteError::Failed))
    }

    fn lane_of_text(&self, text: &InboundText) -> usize {
        let hints = self.shared.agency_hints.read().unwrap_or_else(PoisonError::into_inner);
        match hints.get(&(text.account, text.number().to_owned())) {
            Some(agency) => self.lane_of(*agency),
            None => self.lane_of(text.account),
        }
    }

    fn lane_of(&self, key: impl std::hash::Hash) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.lanes.len() as u64).unwrap_or(0)
    }
}

enum Job {
    Inbound(Box<InboundJob>),
    Unit(UnitJob),
}

impl Job {
    /// Whether its caller has stopped waiting.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Inbound(job) => job.reply.is_closed(),
            Self::Unit(job) => job.work.is_abandoned(),
        }
    }

    fn when_away(&self) -> WhenAway {
        match self {
            Self::Inbound(job) => job.when_away(),
            Self::Unit(job) => job.work.when_away(),
        }
    }

    /// Tells its caller that it failed.
    fn fail(self) {
        match self {
            // A caller that has gone away does not want the answer.
            Self::Inbound(job) => drop(job.reply.send(Err(WriteError::Failed))),
            Self::Unit(job) => job.work.answer(false),
        }
    }
}

struct InboundJob {
    text: InboundText,
    /// The text goes to quarantine as received, because the database refused it in a batch of its own or because it must
    /// not become a message.
    refused: bool,
    reply: oneshot::Sender<Result<InboundOutcome, WriteError>>,
}

impl InboundJob {
    /// Whether its number may be put in a statement: a refused text is still one of the agency that
    /// has the number, unless the number itself is what the database may have refused.
    fn names_number(&self) -> bool {
        !self.refused || is_e164(self.text.number())
    }

    /// A webhook waits for a text that comes in; an operator at the command line for one out of quarantine.
    fn when_away(&self) -> WhenAway {
        if self.text.settles.is_none() { WhenAway::Retry } else { WhenAway::Fail }
    }
}

struct UnitJob {
    agencies: Vec<AgencyId>,
    work: Box<dyn ErasedUnit>,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Unit`] with its output and the way back to its caller, so that lanes can hold any of them.
trait ErasedUnit: Send {
    fn run<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, Result<(), DbErr>>;
    fn refuse(&mut self);
    fn is_abandoned(&self) -> bool;
    fn when_away(&self) -> WhenAway;
    fn answer(self: Box<Self>, committed: bool);
}

struct Pending<U: Unit> {
    unit: U,
    result: Option<Result<U::Output, WriteError>>,
    reply: oneshot::Sender<Result<U::Output, WriteError>>,
}

impl<U: Unit> ErasedUnit for Pending<U> {
    fn run<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, Result<(), DbErr>> {
        Box::pin(async move {
            self.result = None;
            self.result = Some(Ok(self.unit.run(tx).await?));
            Ok(())
        })
    }

    fn refuse(&mut self) {
        self.result = Some(Err(WriteError::Refused));
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn when_away(&self) -> WhenAway {
        self.unit.when_away()
    }

    fn answer(self: Box<Self>, committed: bool) {
        let result = self.result.filter(|result| committed || result.is_err());
        // A caller that has gone away does not want the answer.
        let _ = self.reply.send(result.unwrap_or(Err(WriteError::Failed)));
    }
}
