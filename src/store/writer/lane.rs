//! One lane: takes what waits, has it written, answers. Halves a batch that a bad text spoils.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use tokio::sync::mpsc;

use super::batch::{Failure, Outcomes, write};
use super::{InboundJob, InboundOutcome, Job, Shared, UnitJob, WriteError};
use crate::ports::Clock;
use crate::store::bulk::MAX_ROWS;
use crate::store::failure::describe;

/// How often a batch that lost a race is run again.
const RETRIES: u32 = 3;
/// How long a batch waits to become as large as the one before it, where statements are round trips.
const GATHER: Duration = Duration::from_millis(1);

pub(super) struct Lane {
    shared: Arc<Shared>,
    /// `None` after a failure: what a connection is in the middle of then, nobody can say.
    conn: Option<DatabaseConnection>,
}

/// The work of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) inbound: Vec<InboundJob>,
    pub(super) units: Vec<UnitJob>,
}

impl Batch {
    fn of(jobs: &mut Vec<Job>) -> Self {
        let mut batch = Self::default();
        for job in jobs.drain(..) {
            match job {
                // Whoever has stopped waiting will ask again; doing it now would only hold up others.
                Job::Inbound(job) if job.reply.is_closed() => {}
                Job::Unit(job) if job.work.is_abandoned() => {}
                Job::Inbound(job) => batch.inbound.push(*job),
                Job::Unit(job) => batch.units.push(job),
            }
        }
        batch
    }

    fn len(&self) -> usize {
        self.inbound.len() + self.units.len()
    }
}

impl Lane {
    pub(super) async fn open(shared: Arc<Shared>) -> Result<Self, DbErr> {
        let conn = shared.database.connect_to_write().await?;
        Ok(Self { shared, conn: Some(conn) })
    }

    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(MAX_ROWS);
        let gathers = self.shared.database.backend() != DbBackend::Sqlite;
        let mut before = 0;
        while waiting.recv_many(&mut jobs, MAX_ROWS).await > 0 {
            if gathers {
                gather(&*self.shared.clock, &mut jobs, &mut waiting, before).await;
                before = jobs.len();
            }
            let mut parts = vec![Batch::of(&mut jobs)];
            while let Some(part) = parts.pop() {
                if part.len() > 0 {
                    self.settle(part, &mut parts).await;
                }
            }
        }
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(error = describe(&error), "a writing connection did not close");
        }
    }

    /// Writes a batch and answers it, or puts its halves on `parts`.
    async fn settle(&mut self, mut batch: Batch, parts: &mut Vec<Batch>) {
        let started = self.shared.clock.monotonic();
        let mut retries = 0;
        loop {
            match self.attempt(&mut batch).await {
                Ok((outcomes, committed)) => {
                    self.shared.figures.committed(batch.len(), self.shared.clock.monotonic() - started);
                    (self.shared.on_commit)(committed);
                    return answer(batch, outcomes);
                }
                Err(Failure::Race(_)) if retries < RETRIES => retries += 1,
                Err(Failure::Inbound(_)) if batch.inbound.len() > 1 => {
                    let second = batch.inbound.split_off(batch.inbound.len() / 2);
                    parts.push(Batch { inbound: second, units: Vec::new() });
                    parts.push(batch);
                    return;
                }
                Err(Failure::Inbound(error)) if batch.inbound.iter().any(|job| !job.refused) => {
                    tracing::warn!(error = describe(&error), "the database refused a text; it goes to quarantine");
                    self.shared.figures.refused();
                    batch.inbound.iter_mut().for_each(|job| job.refused = true);
                }
                Err(Failure::Race(error) | Failure::Inbound(error) | Failure::Batch(error)) => {
                    tracing::error!(error = describe(&error), work = batch.len(), "a batch was not written");
                    self.shared.figures.failed();
                    return refuse(batch);
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

fn refuse(batch: Batch) {
    for job in batch.inbound {
        let _ = job.reply.send(Err(WriteError::Failed));
    }
    for job in batch.units {
        job.work.answer(false);
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
