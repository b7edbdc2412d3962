//! Background tasks. Each run is idempotent, and the next run makes up for one that failed.
//!
//! A run that panics counts as failed, and the task goes on. The status of each task is shown at `/readyz` and
//! `/metrics`.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::metrics::{Component, Metrics, WorkerStatus};
use crate::service::calls::check_overdue_calls;
use crate::service::escalate::escalate;
use crate::service::fetch_recordings::fetch_recordings;
use crate::service::purge_expired::purge_expired;
use crate::service::sending::{mark_interrupted_attempts, resolve_unknown_texts};
use crate::service::{Fault, Services};

mod outbox;

/// The background tasks of a server. They end when this is dropped.
pub struct Workers {
    services: Arc<Services>,
    sending: JoinHandle<()>,
    timers: Vec<JoinHandle<()>>,
}

impl Workers {
    pub fn start(services: &Arc<Services>, metrics: &Arc<Metrics>) -> Self {
        let timer = Timer { services, metrics };
        let second = Duration::from_secs(1);
        let timers = vec![
            timer.every(second, "event_poll", "reads the events of other instances", |services| async move {
                services.feeds.poll().await.map_err(Fault::from)
            }),
            timer.every(second, "presence", "ends presence that is no longer reported", |services| async move {
                services.presence.expire();
                Ok::<(), Fault>(())
            }),
            timer.every(second * 5, "escalation", "notifies the pools of waiting texts", |services| async move {
                escalate(&services).await
            }),
            timer.every(second, "unknown_texts", "looks up texts whose result is unknown", |services| async move {
                mark_interrupted_attempts(&services).await?;
                resolve_unknown_texts(&services).await
            }),
            timer.every(second, "recordings", "fetches voicemail recordings", |services| async move {
                fetch_recordings(&services).await
            }),
            timer.every(second * 5, "overdue_calls", "asks the carrier about overdue calls", |services| async move {
                check_overdue_calls(&services).await
            }),
            timer.every(second, "restore_mark", "records the progress of the database", |services| async move {
                let restore = &services.restore;
                if restore.is_held() { restore.check(&services).await } else { restore.record(&services).await }
            }),
            timer.every(second * 3600, "idempotency_keys", "deletes expired idempotency keys", |services| async move {
                purge_expired(&services).await
            }),
        ];
        let sending = tokio::spawn(outbox::run(Arc::clone(services), Arc::clone(metrics)));
        Self { services: services.clone(), sending, timers }
    }

    /// Begins no further attempts, and waits until the attempts in progress are completed, for at most `timeout`. The
    /// result of an interrupted attempt would be unknown after the next start.
    pub async fn stop(mut self, timeout: Duration) {
        self.services.sending.outbox_signal.stop();
        tokio::select! {
            _ = &mut self.sending => {}
            () = self.services.clock.sleep(timeout) => {
                tracing::warn!("attempts to send texts were still in progress at the shutdown");
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.sending.abort();
        self.timers.iter().for_each(JoinHandle::abort);
    }
}

/// Starts periodic tasks.
pub struct Timer<'a> {
    pub services: &'a Arc<Services>,
    pub metrics: &'a Arc<Metrics>,
}

impl Timer<'_> {
    /// Runs `work` again and again, with a pause of `period` before each run.
    pub fn every<W, F, E>(
        &self,
        period: Duration,
        name: &'static str,
        description: &'static str,
        work: W,
    ) -> JoinHandle<()>
    where
        W: Fn(Arc<Services>) -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send,
        E: Display + Send,
    {
        let status = self.metrics.workers.register(name, description, period);
        let (services, metrics) = (Arc::clone(self.services), Arc::clone(self.metrics));
        tokio::spawn(async move {
            loop {
                services.clock.sleep(period).await;
                run_once(&services, &metrics, &status, work(Arc::clone(&services))).await;
            }
        })
    }
}

/// Runs a task once and records the result.
async fn run_once<E: Display>(
    services: &Services,
    metrics: &Metrics,
    status: &WorkerStatus,
    work: impl Future<Output = Result<(), E>>,
) {
    let span = tracing::debug_span!("background_task", worker = status.name);
    let result = AssertUnwindSafe(work).catch_unwind().instrument(span).await;
    let now = services.clock.now();
    match result {
        Ok(Ok(())) => status.succeeded(now),
        Ok(Err(error)) => {
            tracing::warn!(worker = status.name, %error, "a background task failed; it runs again");
            status.failed(error.to_string(), now);
        }
        Err(_) => {
            tracing::error!(worker = status.name, "a background task panicked; it runs again");
            metrics.panicked(Component::Worker);
            status.panicked(now);
        }
    }
}
