//! One transaction: locks the agencies, writes the bulk items, runs the units, and writes the event log.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use sea_orm::DbErr;

use super::job::{BulkJob, Ended, Job, UnitJob};
use super::ledger::Ledger;
use super::transaction::Transaction;
use super::{BulkUnit, Committed, Shared, Tx, UnitError, WhenAway};
use crate::domain::AgencyId;
use crate::store::direct_sqlite::is_beyond;
use crate::store::error_class::{ErrorClass, classify, describe};

/// The work of one transaction.
pub(super) struct Batch<B: BulkUnit> {
    pub(super) bulk: Vec<BulkJob<B>>,
    pub(super) units: Vec<UnitJob>,
}

impl<B: BulkUnit> Batch<B> {
    pub(super) fn of(jobs: impl Iterator<Item = Job<B>>) -> Self {
        let mut batch = Self { bulk: Vec::new(), units: Vec::new() };
        // A caller that has stopped waiting will ask again, and its work would only delay the rest.
        for job in jobs.filter(|job| !job.is_abandoned()) {
            match job {
                Job::Bulk(job) => batch.bulk.push(*job),
                Job::Unit(job) => batch.units.push(job),
            }
        }
        batch
    }

    pub(super) fn into_jobs(self) -> impl Iterator<Item = Job<B>> {
        let bulk = self.bulk.into_iter().map(|job| Job::Bulk(Box::new(job)));
        bulk.chain(self.units.into_iter().map(Job::Unit))
    }

    /// Whether any of the jobs is retried while the database is away.
    pub(super) fn has_retries(&self, bulk: &B) -> bool {
        self.bulk.iter().any(|job| bulk.when_away(&job.item) == WhenAway::Retry)
            || self.units.iter().any(|job| job.work.when_away() == WhenAway::Retry)
    }

    /// Whether the batch is tried on the lane's own connection to SQLite.
    pub(super) fn is_direct(&self) -> bool {
        self.units.iter().all(|job| job.work.is_direct())
    }

    pub(super) fn len(&self) -> usize {
        self.bulk.len() + self.units.len()
    }
}

/// Why a batch was not committed.
#[derive(Debug)]
pub(super) enum BatchError {
    /// A deadlock or a serialization failure; the same batch may be run again.
    Conflict(DbErr),
    /// One of the bulk items cannot be stored as it is. It is not known which.
    Bulk(Cause),
    /// The database failed.
    Database(DbErr),
}

/// Why a bulk item cannot be stored.
#[derive(Debug)]
pub(super) enum Cause {
    Database(DbErr),
    Broken(&'static str),
    /// The panic hook has logged it.
    Panic,
}

impl Cause {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Database(error) => describe(error),
            Self::Broken(what) => (*what).to_owned(),
            Self::Panic => "the code panicked".to_owned(),
        }
    }
}

impl BatchError {
    /// Outside of items and units no single piece of work can be at fault.
    pub(super) fn of(error: DbErr) -> Self {
        match classify(&error) {
            ErrorClass::Conflict => Self::Conflict(error),
            ErrorClass::Rejected | ErrorClass::Fatal => Self::Database(error),
        }
    }

    fn of_bulk(error: DbErr) -> Self {
        match classify(&error) {
            ErrorClass::Rejected => Self::Bulk(Cause::Database(error)),
            ErrorClass::Conflict | ErrorClass::Fatal => Self::of(error),
        }
    }
}

type Outputs<B> = Vec<<B as BulkUnit>::Output>;

/// Writes a batch in one transaction. Returns the outputs of the bulk items and the effects of the commit.
pub(super) async fn write<B: BulkUnit>(
    shared: &Shared<B>,
    tx: Transaction<'_>,
    batch: &mut Batch<B>,
) -> Result<(Outputs<B>, Vec<Committed>), BatchError> {
    match write_in(shared, &tx, batch).await {
        Ok((outputs, ledger)) => {
            tx.commit().await.map_err(BatchError::of)?;
            Ok((outputs, ledger.into_committed(&shared.context.directories)))
        }
        // The connection may be broken and is discarded, so no further statement is sent.
        Err(BatchError::Database(error)) if !is_beyond(&error) => Err(BatchError::Database(error)),
        Err(error) => {
            tx.rollback().await.map_err(BatchError::Database)?;
            Err(error)
        }
    }
}

async fn write_in<B: BulkUnit>(
    shared: &Shared<B>,
    tx: &Transaction<'_>,
    batch: &mut Batch<B>,
) -> Result<(Outputs<B>, Ledger), BatchError> {
    let mut agencies: BTreeSet<AgencyId> = batch.units.iter().flat_map(|job| job.agencies.iter().copied()).collect();
    let items: Vec<&B::Item> = batch.bulk.iter().map(|job| &job.item).collect();
    let located = if items.is_empty() {
        None
    } else {
        let located = contained(shared, shared.bulk.locate(tx, &items)).await?;
        let (of_items, located) = located.map_err(BatchError::of_bulk)?;
        agencies.extend(of_items);
        Some(located)
    };
    let mut ledger = Ledger::lock(tx, &agencies).await.map_err(BatchError::of)?;
    // Read after the lock, so that the rows of an agency are dated in the order of its log.
    let now = shared.context.clock.now();

    let mut outputs = Vec::new();
    if let Some(located) = located {
        let mut bulk_tx = Tx::new(&shared.context, tx, now, &mut ledger);
        let written = async {
            let outputs = shared.bulk.write(&mut bulk_tx, located, &items).await?;
            bulk_tx.flush().await?;
            Ok::<_, UnitError>(outputs)
        };
        outputs = contained(shared, written).await?.map_err(|error| match error {
            UnitError::Database(error) => BatchError::of_bulk(error),
            UnitError::Broken(what) => BatchError::Bulk(Cause::Broken(what)),
        })?;
    }
    for job in &mut batch.units {
        run_unit(shared, tx, now, &mut ledger, job).await?;
    }
    ledger.write(tx).await.map_err(BatchError::of)?;
    Ok((outputs, ledger))
}

/// Awaits a part of the bulk work. A panic is the fault of one of the items.
async fn contained<B: BulkUnit, T>(shared: &Shared<B>, work: impl Future<Output = T>) -> Result<T, BatchError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| {
        shared.figures.panicked();
        BatchError::Bulk(Cause::Panic)
    })
}

/// Runs one unit in a savepoint of its own. `Err` is an error that ends the batch.
async fn run_unit<B: BulkUnit>(
    shared: &Shared<B>,
    tx: &Transaction<'_>,
    now: chrono::DateTime<chrono::Utc>,
    ledger: &mut Ledger,
    job: &mut UnitJob,
) -> Result<(), BatchError> {
    let mark = ledger.mark();
    let savepoint = tx.savepoint().await.map_err(BatchError::of)?;
    let mut unit_tx = Tx::new(&shared.context, &savepoint, now, ledger);
    let run = async {
        let ended = job.work.run(&mut unit_tx).await?;
        if matches!(ended, Ended::Done) {
            unit_tx.flush().await?;
        }
        Ok::<_, UnitError>(ended)
    };
    let is_rejected = match AssertUnwindSafe(run).catch_unwind().await {
        Ok(Ok(Ended::Done)) => return savepoint.commit().await.map_err(BatchError::of),
        Ok(Ok(Ended::Refused)) => false,
        Ok(Err(UnitError::Database(error))) if classify(&error) != ErrorClass::Rejected => {
            return Err(BatchError::of(error));
        }
        Ok(Err(UnitError::Database(error))) => {
            tracing::error!(error = describe(&error), "the database rejected a unit of work");
            true
        }
        Ok(Err(UnitError::Broken(what))) => {
            tracing::error!(error = what, "a unit of work failed");
            true
        }
        Err(_) => {
            tracing::error!("a unit of work panicked");
            shared.figures.panicked();
            true
        }
    };
    savepoint.rollback().await.map_err(BatchError::Database)?;
    ledger.return_to(mark);
    if is_rejected {
        shared.figures.rejected();
        job.work.reject();
    }
    Ok(())
}
