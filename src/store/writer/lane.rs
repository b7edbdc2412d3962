//! One lane: takes the queued work, writes it in batches and answers. Halves a batch that one bad text spoils. While the database is
//! away, it tries again what webhooks wait for and answers everything else at once.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use tokio::sync::mpsc;

use super::batch::{Failure, Outcomes, write};
use super::{InboundJob, InboundOutcome, Job, QUEUE, Shared, UnitJob, WhenAway};
use crate::ports::Clock;
use crate::store::RETRY_DELAY;
use crate::store::bulk::MAX_ROWS;
use crate::store::failure::{describe, is_away};

/// How often a batch that lost a race is run again.
const RETRIES: u32 = 3;
/// How long a batch waits to become as large as the one before it, where statements are round trips.
const GATHER: Duration = Duration::from_millis(1);

pub(super) struct Lane {
    shared: Arc<Shared>,
    /// `None` after a failure: what a connection is in the middle of then, nobody can say.
    conn: Option<DatabaseConnection>,
    /// Since when the database has been away, by the monotonic clock.
    away_since: Option<Duration>,
}

/// The work of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) inbound: Vec<InboundJob>,
    pub(super) units: Vec<UnitJob>,
}

impl Batch {
    fn of(jobs: impl Iterator<Item = Job>) -> Self {
        let mut batch = Self::default();
        // A caller that has stopped waiting will ask again; its work would only delay the rest.
        for job in jobs.filter(|job| !job.is_abandoned()) {
            match job {
                Job::Inbound(job) => batch.inbound.push(*job),
                Job::Unit(job) => batch.units.push(job),
            }
        }
        batch
    }

    fn into_jobs(self) -> impl Iterator<Item = Job> {
        let inbound = self.inbound.into_iter().map(|job| Job::Inbound(Box::new(job)));
        inbound.chain(self.units.into_iter().map(Job::Unit))
    }

    /// Whether any of it is tried again while the database is away.
    fn is_retried(&self) -> bool {
        let mut inbound = self.inbound.iter().map(InboundJob::when_away);
        let mut units = self.units.iter().map(|job| job.work.when_away());
        inbound.any(|when| when == WhenAway::Retry) || units.any(|when| when == WhenAway::Retry)
    }

    fn len(&self) -> usize {
        self.inbound.len() + self.units.len()
    }
}

impl Lane {
    pub(super) async fn open(shared: Arc<Shared>) -> Result<Self, DbErr> {
        let conn = shared.database.connect_to_write().await?;
        Ok(Self { shared, conn: Some(conn), away_since: None })
    }

    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(MAX_ROWS);
        let gathers = self.shared.database.backend() != DbBackend::Sqlite;
        let mut before = 0;
        // Jobs are left over only from a time when the database was away.
        while !jobs.is_empty() || waiting.recv_many(&mut jobs, MAX_ROWS).await > 0 {
            if gathers {
                gather(&*self.shared.clock, &mut jobs, &mut waiting, before).await;
                before = jobs.len().min(MAX_ROWS);
            }
            let count = jobs.len().min(MAX_ROWS);
            let mut parts = vec![Batch::of(jobs.drain(..count))];
            while let Some(part) = parts.pop() {
                if part.len() > 0
                    && let Err(unwritten) = self.settle(part, &mut parts).await
                {
                    // In the order in which they came; the last part is the first.
                    parts.push(unwritten);
                    let mut unwritten: Vec<Job> = parts.drain(..).rev().flat_map(Batch::into_jobs).collect();
                    unwritten.append(&mut jobs);
                    jobs = unwritten;
                    self.wait_for_database(&mut jobs, &mut waiting).await;
                }
            }
        }
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(error = describe(&error), "a writing connection did not close");
        }
    }

    /// Waits before the next attempt. What is not tried again fails: what was taken, and what comes meanwhile.
    async fn wait_for_database(&self, jobs: &mut Vec<Job>, waiting: &mut mpsc::Receiver<Job>) {
        let taken = std::mem::take(jobs);
        jobs.extend(taken.into_iter().filter_map(retried));
        let mut pause = self.shared.clock.sleep(RETRY_DELAY);
        while !jobs.is_empty() {
            tokio::select! {
                biased;
                () = &mut pause => return,
                Some(job) = waiting.recv(), if jobs.len() < QUEUE => jobs.extend(retried(job)),
            }
        }
    }

    /// Writes a batch and answers it, or puts its halves on `parts`.
    ///
    /// `Err` is the whole batch, unanswered: the database is away, and some of it is to be tried again.
    async fn settle(&mut self, mut batch: Batch, parts: &mut Vec<Batch>) -> Result<(), Batch> {
        let started = self.shared.clock.monotonic();
        let mut retries = 0;
        loop {
            match self.attempt(&mut batch).await {
                Ok((outcomes, committed)) => {
                    let now = self.shared.clock.monotonic();
                    self.shared.figures.committed(batch.len(), now - started);
                    (self.shared.on_commit)(committed);
                    if let Some(since) = self.away_since.take() {
                        tracing::info!(seconds = (now - since).as_secs_f32(), "the database is back");
                    }
                    answer(batch, outcomes);
                    return Ok(());
                }
                Err(Failure::Race(_)) if retries < RETRIES => retries += 1,
                Err(Failure::Inbound(_)) if batch.inbound.len() > 1 => {
                    let second = batch.inbound.split_off(batch.inbound.len() / 2);
                    parts.push(Batch { inbound: second, units: Vec::new() });
                    parts.push(batch);
                    return Ok(());
                }
                Err(Failure::Inbound(error)) if batch.inbound.iter().any(|job| !job.refused) => {
                    tracing::warn!(error = describe(&error), "the database refused a text; it goes to quarantine");
                    self.shared.figures.refused();
                    batch.inbound.iter_mut().for_each(|job| job.refused = true);
                }
                Err(Failure::Batch(error)) if is_away(&error) && batch.is_retried() => {
                    if self.away_since.is_none() {
                        let work = batch.len();
                        tracing::error!(
                            error = describe(&error),
                            work,
                            "the database is away; webhooks' work is retried"
                        );
                        self.away_since = Some(self.shared.clock.monotonic());
                    }
                    self.shared.figures.failed();
                    return Err(batch);
                }
                Err(Failure::Race(error) | Failure::Inbound(error) | Failure::Batch(error)) => {
                    tracing::error!(error = describe(&error), work = batch.len(), "a batch was not written");
                    self.shared.figures.failed();
                    batch.into_jobs().for_each(Job::fail);
                    return Ok(());
                }
            }
        }
    }

    async fn attempt(&mut self, batch: &mut Batch) -> Result<(Outcomes, Vec<super::Committed>), Failure> {
        let conn = match &self.conn {
            Some(conn) => conn,
            None => {
                let conn = self.shared.database.connect_to_write().await.map_err(Failure::Batch)?;
                self.conn.insert(conn)
            }
        };
        let result = write(&self.shared, conn, batch).await;
        if let Err(Failure::Batch(_)) = &result
            && let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(error = describe(&error), "a failed connection did not close");
        }
        result
    }
}

/// Lets those who were answered together come again together. The first of them to be back would
/// have a transaction of its own, whose round trips cost half of what one for all does, and the others
/// would wait for it. Who writes alone waits at most once, after a larger batch.
async fn gather<J>(clock: &dyn Clock, jobs: &mut Vec<J>, waiting: &mut mpsc::Receiver<J>, before: usize) {
    if jobs.len() >= before {
        return;
    }
    let mut pause = clock.pause(GATHER);
    while jobs.len() < before {
        let missing = before - jobs.len();
        tokio::select! {
            biased;
            taken = waiting.recv_many(jobs, missing) => if taken == 0 { return },
            () = &mut pause => return,
        }
    }
}

fn answer(batch: Batch, outcomes: Vec<InboundOutcome>) {
    for (job, outcome) in batch.inbound.into_iter().zip(outcomes) {
        // A caller that has gone away does not want the answer.
        let _ = job.reply.send(Ok(outcome));
    }
    for job in batch.units {
        job.work.answer(true);
    }
}

/// The job, if it is to be tried again; otherwise its caller is told that it failed.
fn retried(job: Job) -> Option<Job> {
    if job.is_abandoned() {
        return None;
    }
    match job.when_away() {
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

    /// A clock whose pauses are over at once, or never.
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
        let (sender, mut waiting) = mpsc::channel(8);
        for job in 0..come {
            sender.try_send(job).unwrap();
        }
        let sender = Some(sender).filter(|_| stays);
        let mut jobs = vec![0];
        gather(&Pauses { over }, &mut jobs, &mut waiting, before).await;
        drop(sender);
        jobs.len()
    }

    #[tokio::test]
    async fn a_batch_waits_to_become_as_large_as_the_last_one_and_no_longer() {
        // All are there: nobody waits for the pause.
        assert_eq!(gathered(false, 2, true, 3).await, 3);
        // What comes beyond them is taken with the next batch.
        assert_eq!(gathered(false, 5, true, 3).await, 3);
        // The pause is over.
        assert_eq!(gathered(true, 1, true, 3).await, 2);
        assert_eq!(gathered(true, 0, true, 3).await, 1);
        // Where one wrote at a time, nobody waits.
        assert_eq!(gathered(false, 0, true, 1).await, 1);
        assert_eq!(gathered(false, 0, true, 0).await, 1);
        // The server stops.
        assert_eq!(gathered(false, 1, false, 3).await, 2);
    }
}
