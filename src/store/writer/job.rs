//! Queued work, with the way back to its caller.

use std::pin::Pin;

use tokio::sync::oneshot;

use super::{BulkUnit, Tx, Unit, UnitError, WhenAway, WriteError};
use crate::domain::AgencyId;

pub(super) enum Job<B: BulkUnit> {
    Bulk(Box<BulkJob<B>>),
    Unit(UnitJob),
}

impl<B: BulkUnit> Job<B> {
    /// Whether the caller has stopped waiting.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Bulk(job) => job.reply.is_closed(),
            Self::Unit(job) => job.work.is_abandoned(),
        }
    }

    pub(super) fn when_away(&self, bulk: &B) -> WhenAway {
        match self {
            Self::Bulk(job) => bulk.when_away(&job.item),
            Self::Unit(job) => job.work.when_away(),
        }
    }

    /// Answers that the database failed.
    pub(super) fn fail(self) {
        match self {
            // The caller may have stopped waiting.
            Self::Bulk(job) => drop(job.reply.send(Err(WriteError::Failed))),
            Self::Unit(job) => job.work.answer(false),
        }
    }
}

pub(super) struct BulkJob<B: BulkUnit> {
    pub(super) item: B::Item,
    pub(super) reply: oneshot::Sender<Result<B::Output, WriteError>>,
}

pub(super) struct UnitJob {
    pub(super) agencies: Vec<AgencyId>,
    pub(super) work: Box<dyn ErasedUnit>,
}

/// How a unit ended within its savepoint.
pub(super) enum Ended {
    Done,
    Refused,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Unit`] whose types are hidden, so that a lane can hold any of them.
pub(super) trait ErasedUnit: Send {
    fn run<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, Result<Ended, UnitError>>;
    /// The unit cannot be stored; the rest of its batch can.
    fn reject(&mut self);
    fn is_abandoned(&self) -> bool;
    fn when_away(&self) -> WhenAway;
    fn is_direct(&self) -> bool;
    fn answer(self: Box<Self>, is_committed: bool);
}

pub(super) struct PendingUnit<U: Unit> {
    pub(super) unit: U,
    pub(super) result: Option<Result<U::Output, WriteError<U::Refusal>>>,
    pub(super) reply: oneshot::Sender<Result<U::Output, WriteError<U::Refusal>>>,
}

impl<U: Unit> ErasedUnit for PendingUnit<U> {
    fn run<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, Result<Ended, UnitError>> {
        Box::pin(async move {
            self.result = None;
            match self.unit.run(tx).await {
                Ok(output) => {
                    self.result = Some(Ok(output));
                    Ok(Ended::Done)
                }
                Err(UnitError::Refused(refusal)) => {
                    self.result = Some(Err(WriteError::Refused(refusal)));
                    Ok(Ended::Refused)
                }
                Err(UnitError::Broken(what)) => Err(UnitError::Broken(what)),
                Err(UnitError::Database(error)) => Err(UnitError::Database(error)),
            }
        })
    }

    fn reject(&mut self) {
        self.result = Some(Err(WriteError::Rejected));
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn when_away(&self) -> WhenAway {
        self.unit.when_away()
    }

    fn is_direct(&self) -> bool {
        self.unit.is_direct()
    }

    fn answer(self: Box<Self>, is_committed: bool) {
        let result = self.result.filter(|result| is_committed || matches!(result, Err(WriteError::Rejected)));
        // The caller may have stopped waiting.
        let _ = self.reply.send(result.unwrap_or(Err(WriteError::Failed)));
    }
}
