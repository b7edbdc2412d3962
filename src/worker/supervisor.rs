//! Supervision of the background tasks: a run that fails or panics is recorded in the status of its task, and the task
//! goes on.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::events::{BusReceiver, BusSender};
use crate::metrics::{Component, Metrics, WorkerStatus};
use crate::ports::Clock;
use crate::service::calls::CallLogWriter;
use crate::service::{CarrierFile, Fetcher, Services};
use crate::store::Checkpointer;
use crate::store::error_class::describe;

/// The pause after a panic of a task without a period.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// A background task without a period: each run waits for work.
pub trait Task: Send + 'static {
    /// Waits for work, does it, and returns the result; the text of an error is safe to show. `None` means that the
    /// task has completed.
    ///
    /// After an error or a panic it is called again, so work that must not be lost stays in `self` until it is done. A
    /// task whose errors may repeat waits before it tries again.
    fn run(&mut self) -> impl Future<Output = Option<Result<(), String>>> + Send;
}

impl Task for CallLogWriter {
    async fn run(&mut self) -> Option<Result<(), String>> {
        let result = self.write_next().await?;
        Some(result.map_err(|error| error.to_string()))
    }
}

impl Task for BusSender {
    async fn run(&mut self) -> Option<Result<(), String>> {
        Some(self.send_next().await.map_err(|error| describe(&error)))
    }
}

impl Task for BusReceiver {
    async fn run(&mut self) -> Option<Result<(), String>> {
        Some(self.receive_next().await.map_err(|error| describe(&error)))
    }
}

impl Task for Checkpointer {
    async fn run(&mut self) -> Option<Result<(), String>> {
        let result = self.run_next().await?;
        Some(result.map_err(|error| describe(&error)))
    }
}

impl<F: CarrierFile> Task for Fetcher<F> {
    async fn run(&mut self) -> Option<Result<(), String>> {
        Some(self.run_next().await.map_err(|error| error.to_string()))
    }
}

/// Runs a task until it has completed, and goes on after an error or a panic.
pub fn supervise(
    mut task: impl Task,
    name: &'static str,
    description: &'static str,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> JoinHandle<()> {
    let status = metrics.workers.register(name, description, None);
    let (clock, metrics) = (Arc::clone(clock), Arc::clone(metrics));
    tokio::spawn(async move {
        loop {
            let result = AssertUnwindSafe(task.run()).catch_unwind().await;
            let Some(result) = result.transpose() else { return };
            let has_panicked = result.is_err();
            record(&*clock, &metrics, &status, result);
            if has_panicked {
                clock.sleep(RESTART_DELAY).await;
            }
        }
    })
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
        W: Fn(Arc<Services>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send,
        E: Display + Send,
    {
        let status = self.metrics.workers.register(name, description, Some(period));
        let (services, metrics) = (Arc::clone(self.services), Arc::clone(self.metrics));
        tokio::spawn(async move {
            loop {
                services.clock.sleep(period).await;
                // Called within the run, so that its panic is caught as well.
                let run = async { work(Arc::clone(&services)).await };
                run_once(&services, &metrics, &status, run).await;
            }
        })
    }
}

/// Runs a task once and records the result.
pub(super) async fn run_once<E: Display>(
    services: &Services,
    metrics: &Metrics,
    status: &WorkerStatus,
    work: impl Future<Output = Result<(), E>>,
) {
    let span = tracing::debug_span!("background_task", worker = status.name);
    let result = AssertUnwindSafe(work).catch_unwind().instrument(span).await;
    record(&*services.clock, metrics, status, result);
}

/// Records the result of a run. The panic hook has logged the place and the backtrace of a panic.
fn record<E: Display>(
    clock: &dyn Clock,
    metrics: &Metrics,
    status: &WorkerStatus,
    result: thread::Result<Result<(), E>>,
) {
    match result {
        Ok(Ok(())) => status.succeeded(clock.now()),
        Ok(Err(error)) => {
            tracing::warn!(worker = status.name, %error, "a background task failed; it runs again");
            status.failed(error.to_string(), clock.now());
        }
        Err(_) => {
            tracing::error!(worker = status.name, "a background task panicked; it runs again");
            metrics.panicked(Component::Worker);
            status.panicked(clock.now());
        }
    }
}
