//! One lane: takes queued work, writes it in batches, and answers the callers. It halves a batch to isolate an item
//! that cannot be stored. While the database is away, it retries the work of webhooks and answers everything else
//! immediately.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::batch::{Batch, BatchError, write};
use super::job::Job;
use super::transaction::Transaction;
use super::{BulkUnit, Committed, QUEUE_CAPACITY, Shared, WhenAway, WriteError};
use crate::ports::Clock;
use crate::store::RETRY_DELAY;
use crate::store::bulk::MAX_ROWS;
use crate::store::direct_sqlite::{DirectSqlite, is_beyond};
use crate::store::error_class::{describe, is_unavailable};

/// How many times a batch is run again after a deadlock or a serialization failure.
const MAX_RETRIES: u32 = 3;
/// How long a batch waits to reach the size of the previous one, on databases where a statement is a round trip.
const GATHER_TIMEOUT: Duration = Duration::from_millis(1);
/// A lane that panics this often without a commit in between ends.
const MAX_PANICS: u32 = 5;

pub(super) struct Lane<B: BulkUnit> {
    shared: Arc<Shared<B>>,
    /// `None` after a failure, because the state of the connection is unknown then.
    conn: Option<DatabaseConnection>,
    /// The lane's own connection to SQLite, on which most batches are written; `None` also on other databases.
    direct: Option<DirectSqlite>,
    /// Work that was taken from the queue and is not part of a batch yet.
    jobs: Vec<Job<B>>,
    /// When the database became unavailable, by the monotonic clock.
    away_since: Option<Duration>,
    panics_in_a_row: u32,
}

impl<B: BulkUnit> Lane<B> {
    pub(super) async fn open(shared: Arc<Shared<B>>) -> Result<Self, DbErr> {
        let conn = shared.database.connect_to_write().await?;
        let jobs = Vec::with_capacity(MAX_ROWS);
        Ok(Self { shared, conn: Some(conn), direct: None, jobs, away_since: None, panics_in_a_row: 0 })
    }

    /// Starts the lane. On SQLite it has a thread of its own, which its statements block.
    pub(super) fn start(self, queue: mpsc::Receiver<Job<B>>) -> Result<JoinHandle<()>, DbErr> {
        if !self.is_sqlite() {
            return Ok(tokio::spawn(self.supervise(queue)));
        }
        let (runtime, (running, end)) = (Handle::current(), oneshot::channel::<()>());
        let lane = move || {
            runtime.block_on(self.supervise(queue));
            // The task below may have been dropped.
            let _ = running.send(());
        };
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(lane);
        thread.map_err(|error| DbErr::Custom(format!("the thread of the writer did not start: {error}")))?;
        Ok(tokio::spawn(async move {
            if end.await.is_err() {
                tracing::error!("the writer's thread ended unexpectedly");
            }
        }))
    }

    fn is_sqlite(&self) -> bool {
        self.shared.database.backend() == DbBackend::Sqlite
    }

    /// Runs the lane until its queue is closed, and again after a panic. The work at hand is answered as failed; queued
    /// work is not affected. A lane that only panics ends, which closes its queue.
    async fn supervise(mut self, mut queue: mpsc::Receiver<Job<B>>) {
        while AssertUnwindSafe(self.run(&mut queue)).catch_unwind().await.is_err() {
            self.shared.figures.panicked();
            // The transaction was cut off at an unknown point.
            (self.conn, self.direct) = (None, None);
            self.panics_in_a_row += 1;
            if self.panics_in_a_row >= MAX_PANICS {
                tracing::error!(panics = self.panics_in_a_row, "a writer lane panicked repeatedly and has ended");
                return;
            }
            tracing::error!("a writer lane panicked; it is restarted");
        }
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(error = describe(&error), "a writer connection did not close");
        }
    }

    async fn run(&mut self, queue: &mut mpsc::Receiver<Job<B>>) {
        let gathers = !self.is_sqlite();
        let mut previous = 0;
        // Jobs are left over only from a time when the database was away.
        while !self.jobs.is_empty() || queue.recv_many(&mut self.jobs, MAX_ROWS).await > 0 {
            if gathers {
                gather(&*self.shared.context.clock, &mut self.jobs, queue, previous).await;
                previous = self.jobs.len().min(MAX_ROWS);
            }
            let count = self.jobs.len().min(MAX_ROWS);
            let mut parts = vec![Batch::of(self.jobs.drain(..count))];
            while let Some(part) = parts.pop() {
                if part.len() > 0
                    && let Err(unwritten) = self.write(part, &mut parts).await
                {
                    // Back into the order of arrival: the last part is the first.
                    parts.push(unwritten);
                    let mut unwritten: Vec<Job<B>> = parts.drain(..).rev().flat_map(Batch::into_jobs).collect();
                    unwritten.append(&mut self.jobs);
                    self.jobs = unwritten;
                    self.wait_for_database(queue).await;
                }
            }
        }
    }

    /// Waits before the next attempt. Jobs that are not retried fail, whether they were taken before or arrive
    /// meanwhile.
    async fn wait_for_database(&mut self, queue: &mut mpsc::Receiver<Job<B>>) {
        let Self { shared, jobs, .. } = self;
        let taken = std::mem::take(jobs);
        jobs.extend(taken.into_iter().filter_map(|job| retained(job, &shared.bulk)));
        let mut pause = shared.context.clock.sleep(RETRY_DELAY);
        while !jobs.is_empty() {
            tokio::select! {
                biased;
                () = &mut pause => return,
                Some(job) = queue.recv(), if jobs.len() < QUEUE_CAPACITY => jobs.extend(retained(job, &shared.bulk)),
            }
        }
    }

    /// Writes a batch and answers it, or puts its halves on `parts`.
    ///
    /// `Err` is the whole batch, unanswered: the database is away, and some of the work is to be retried.
    async fn write(&mut self, mut batch: Batch<B>, parts: &mut Vec<Batch<B>>) -> Result<(), Batch<B>> {
        let started = self.shared.context.clock.monotonic();
        let mut retries = 0;
        loop {
            match self.attempt(&mut batch).await {
                Ok((outputs, committed)) => {
                    self.committed(batch.len(), started, committed);
                    answer(batch, outputs);
                    return Ok(());
                }
                Err(BatchError::Conflict(_)) if retries < MAX_RETRIES => {
                    self.shared.figures.retried();
                    retries += 1;
                }
                Err(BatchError::Bulk(_)) if batch.bulk.len() > 1 => {
                    self.shared.figures.halved();
                    let second = batch.bulk.split_off(batch.bulk.len() / 2);
                    parts.push(Batch { bulk: second, units: Vec::new() });
                    parts.push(batch);
                    return Ok(());
                }
                Err(BatchError::Bulk(cause)) => {
                    // A batch with the item alone: the units that came with it are written either way.
                    let is_downgraded = batch.bulk.iter_mut().any(|job| self.shared.bulk.downgrade(&mut job.item));
                    if is_downgraded {
                        tracing::warn!(
                            error = cause.describe(),
                            "a bulk item cannot be stored; its fallback is stored instead"
                        );
                        self.shared.figures.rejected();
                    } else {
                        tracing::error!(error = cause.describe(), "neither a bulk item nor its fallback can be stored");
                        for job in batch.bulk.drain(..) {
                            // The caller may have stopped waiting.
                            let _ = job.reply.send(Err(WriteError::Failed));
                        }
                        self.shared.figures.failed();
                    }
                    if batch.len() == 0 {
                        return Ok(());
                    }
                }
                Err(BatchError::Database(error)) if is_unavailable(&error) && batch.has_retries(&self.shared.bulk) => {
                    if self.away_since.is_none() {
                        let work = batch.len();
                        let error = describe(&error);
                        tracing::error!(error, work, "the database is away; the work of webhooks is retried");
                        self.away_since = Some(self.shared.context.clock.monotonic());
                    }
                    self.shared.figures.failed();
                    return Err(batch);
                }
                Err(BatchError::Conflict(error) | BatchError::Database(error)) => {
                    tracing::error!(error = describe(&error), work = batch.len(), "a batch was not written");
                    self.shared.figures.failed();
                    batch.into_jobs().for_each(Job::fail);
                    return Ok(());
                }
            }
        }
    }

    fn committed(&mut self, jobs: usize, started: Duration, committed: Vec<Committed>) {
        let now = self.shared.context.clock.monotonic();
        self.shared.figures.committed(jobs, now - started);
        self.panics_in_a_row = 0;
        self.shared.commits.send_replace(());
        // The work is durable, so a panic here must not turn its answer into an error.
        if catch_unwind(AssertUnwindSafe(|| (self.shared.on_commit)(committed))).is_err() {
            tracing::error!("publishing committed events panicked; subscribers catch up from the event log");
            self.shared.figures.panicked();
        }
        if let Some(since) = self.away_since.take() {
            tracing::info!(seconds = (now - since).as_secs_f32(), "the database is back");
        }
    }

    async fn attempt(&mut self, batch: &mut Batch<B>) -> Result<(Vec<B::Output>, Vec<Committed>), BatchError> {
        // Most units need SeaORM's queries, and so do a few texts.
        if self.is_sqlite() && batch.is_direct() {
            match self.attempt_directly(batch).await {
                Err(BatchError::Database(error)) if is_beyond(&error) => {}
                result => return result,
            }
        }
        let conn = match &self.conn {
            Some(conn) => conn,
            None => {
                let conn = self.shared.database.connect_to_write().await.map_err(BatchError::Database)?;
                self.conn.insert(conn)
            }
        };
        let span = tracing::debug_span!("write_batch", items = batch.bulk.len(), units = batch.units.len());
        let result = match Transaction::begin(conn).await {
            Ok(tx) => write(&self.shared, tx, batch).instrument(span).await,
            Err(error) => Err(BatchError::of(error)),
        };
        if let Err(BatchError::Database(_)) = &result {
            self.disconnect().await;
        }
        result
    }

    /// Writes a batch on the lane's own connection. Fails with [`is_beyond`] if that is not enough.
    async fn attempt_directly(&mut self, batch: &mut Batch<B>) -> Result<(Vec<B::Output>, Vec<Committed>), BatchError> {
        let direct = match &self.direct {
            Some(direct) => direct,
            None => self.direct.insert(self.shared.database.open_direct().map_err(BatchError::Database)?),
        };
        let span = tracing::debug_span!("write_batch_directly", items = batch.bulk.len(), units = batch.units.len());
        let result = match Transaction::begin_direct(direct) {
            Ok(tx) => write(&self.shared, tx, batch).instrument(span).await,
            Err(error) => Err(BatchError::of(error)),
        };
        match &result {
            Ok(_) => self.shared.figures.written_directly(),
            Err(BatchError::Database(error)) if !is_beyond(error) => self.disconnect().await,
            Err(_) => {}
        }
        result
    }

    /// Closes the connections after a failure: their state is unknown, and the file itself may be at fault.
    async fn disconnect(&mut self) {
        self.direct = None;
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(error = describe(&error), "a failed connection did not close");
        }
    }
}

/// Waits until as many jobs are there as the previous batch had, for at most [`GATHER_TIMEOUT`].
///
/// Callers that were answered together usually return together. Without the wait, the first of them to return would get
/// a transaction of its own, whose round trips cost half of what a transaction for all of them costs, and the others
/// would wait for it. A single caller waits at most once, after a larger batch.
async fn gather<J>(clock: &dyn Clock, jobs: &mut Vec<J>, queue: &mut mpsc::Receiver<J>, previous: usize) {
    if jobs.len() >= previous {
        return;
    }
    let mut pause = clock.pause(GATHER_TIMEOUT);
    while jobs.len() < previous {
        let missing = previous - jobs.len();
        tokio::select! {
            biased;
            taken = queue.recv_many(jobs, missing) => if taken == 0 { return },
            () = &mut pause => return,
        }
    }
}

fn answer<B: BulkUnit>(batch: Batch<B>, outputs: Vec<B::Output>) {
    for (job, output) in batch.bulk.into_iter().zip(outputs) {
        // The caller may have stopped waiting.
        let _ = job.reply.send(Ok(output));
    }
    for job in batch.units {
        job.work.answer(true);
    }
}

/// Returns the job if it is retried while the database is away; otherwise answers that it failed.
fn retained<B: BulkUnit>(job: Job<B>, bulk: &B) -> Option<Job<B>> {
    if job.is_abandoned() {
        return None;
    }
    match job.when_away(bulk) {
        WhenAway::Retry => Some(job),
        WhenAway::Fail => {
            job.fail();
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::Pin;

    use chrono::{DateTime, Utc};

    use super::*;

    /// A clock whose pauses end immediately, or never.
    #[derive(Debug)]
    struct Pauses {
        over: bool,
    }

    impl Clock for Pauses {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(pending())
        }

        fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            if self.over { Box::pin(ready(())) } else { Box::pin(pending()) }
        }
    }

    async fn gathered(over: bool, come: usize, stays: bool, before: usize) -> usize {
        let (sender, mut queue) = mpsc::channel(8);
        for job in 0..come {
            sender.try_send(job).unwrap();
        }
        let sender = Some(sender).filter(|_| stays);
        let mut jobs = vec![0];
        gather(&Pauses { over }, &mut jobs, &mut queue, before).await;
        drop(sender);
        jobs.len()
    }

    #[tokio::test]
    async fn a_batch_waits_briefly_to_reach_the_size_of_the_previous_one() {
        // As many as before: no pause.
        assert_eq!(gathered(false, 2, true, 3).await, 3);
        // Additional jobs go into the next batch.
        assert_eq!(gathered(false, 5, true, 3).await, 3);
        // The pause ended.
        assert_eq!(gathered(true, 1, true, 3).await, 2);
        assert_eq!(gathered(true, 0, true, 3).await, 1);
        // A single writer never waits.
        assert_eq!(gathered(false, 0, true, 1).await, 1);
        assert_eq!(gathered(false, 0, true, 0).await, 1);
        // The queue is closed while gathering.
        assert_eq!(gathered(false, 1, false, 3).await, 2);
    }
}
