//! Sends the outbox. Each phone number has its own pace and its own task, so that the backlog of one number does not
//! delay another.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::supervisor::run_once;
use crate::domain::{AgencyId, PhoneNumberId};
use crate::metrics::{Component, Metrics, WorkerStatus};
use crate::service::sending::{NextStep, SendAttempt, begin_next_attempt, send_attempt};
use crate::service::{Fault, Services};
use crate::store::outbox::numbers_due;

/// The maximum number of simultaneous attempts of one number. A slow carrier delays no more than these.
const MAX_CONCURRENT: usize = 8;
/// How often the outbox is read for texts whose delay is over and for texts that other instances queued.
const POLL_PERIOD: Duration = Duration::from_secs(1);
/// The pause after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What the tasks of all numbers share.
#[derive(Clone)]
struct Sender {
    services: Arc<Services>,
    metrics: Arc<Metrics>,
    status: Arc<WorkerStatus>,
}

type Numbers = HashMap<(AgencyId, PhoneNumberId), Arc<Notify>>;

/// Starts a task for each number that has a text to send, and wakes it for further ones.
struct Dispatcher {
    sender: Sender,
    numbers: Numbers,
    /// The tasks of the numbers. They are aborted when this is dropped.
    tasks: JoinSet<()>,
}

/// Sends the texts in the outbox until sending is stopped, then completes the attempts in progress. Goes on after a
/// panic.
pub(super) async fn run(services: Arc<Services>, metrics: Arc<Metrics>) {
    let status = metrics.workers.register("outbox", "sends the texts in the outbox", Some(POLL_PERIOD));
    let sender = Sender { services, metrics, status };
    let mut dispatcher = Dispatcher { sender, numbers: Numbers::new(), tasks: JoinSet::new() };
    while AssertUnwindSafe(dispatcher.run()).catch_unwind().await.is_err() {
        tracing::error!("the task that starts sending panicked; it goes on");
        dispatcher.sender.panicked();
        dispatcher.sender.services.clock.sleep(RETRY_DELAY).await;
    }
}

impl Dispatcher {
    async fn run(&mut self) {
        let Self { sender, numbers, tasks } = self;
        let signal = &sender.services.sending.outbox_signal;
        tokio::select! {
            () = sender.services.restore.released() => {}
            () = signal.stopped() => return,
        }
        // Texts that were left by the previous server are sent immediately.
        let mut due = sender.due().await;
        loop {
            for (agency, number) in due {
                let notify = numbers.entry((agency, number)).or_insert_with(|| {
                    let notify = Arc::new(Notify::new());
                    tasks.spawn(sender.clone().supervise_number(agency, number, notify.clone()));
                    notify
                });
                notify.notify_one();
            }
            due = tokio::select! {
                () = signal.stopped() => break,
                numbers = signal.notified() => numbers.into_iter().collect(),
                () = sender.services.clock.sleep(POLL_PERIOD) => sender.due().await,
            };
        }
        while tasks.join_next().await.is_some() {}
    }
}

impl Sender {
    /// The numbers that have a text to send now.
    async fn due(&self) -> Vec<(AgencyId, PhoneNumberId)> {
        let mut due = Vec::new();
        let read = async {
            due = numbers_due(self.services.reader(), self.services.clock.now()).await?;
            Ok::<_, Fault>(())
        };
        run_once(&self.services, &self.metrics, &self.status, read).await;
        due
    }

    /// Sends the texts of one number, and goes on after a panic.
    async fn supervise_number(self, agency: AgencyId, number: PhoneNumberId, notify: Arc<Notify>) {
        while AssertUnwindSafe(self.send_number(agency, number, &notify)).catch_unwind().await.is_err() {
            tracing::error!(%agency, "sending the texts of a number panicked; it goes on");
            self.panicked();
            self.services.clock.sleep(RETRY_DELAY).await;
        }
    }

    /// Sends the texts of one number, in each thread one after the other.
    async fn send_number(&self, agency: AgencyId, number: PhoneNumberId, notify: &Notify) {
        let services = &self.services;
        let signal = &services.sending.outbox_signal;
        let mut attempts: JoinSet<()> = JoinSet::new();
        // Checked only between two steps: a text whose attempt has begun is sent.
        while !signal.is_stopped() {
            let step = if attempts.len() < MAX_CONCURRENT {
                begin_next_attempt(services, agency, number).await.unwrap_or_else(|fault| {
                    tracing::warn!(error = %fault, %agency, "failed to begin an attempt to send a text; it is retried");
                    NextStep::Wait(RETRY_DELAY)
                })
            } else {
                NextStep::Idle
            };
            match step {
                NextStep::Send(attempt) => {
                    attempts.spawn(self.clone().send(attempt));
                }
                NextStep::Continue => {}
                // Texts that are queued meanwhile have to wait as well.
                NextStep::Wait(wait) => {
                    tokio::select! {
                        () = services.clock.sleep(wait) => {}
                        () = signal.stopped() => {}
                    }
                }
                NextStep::Idle => {
                    tokio::select! {
                        () = notify.notified() => {}
                        () = signal.stopped() => {}
                        // Other texts of its thread may have waited for an attempt that has ended.
                        Some(_) = attempts.join_next() => {}
                    }
                }
            }
            while attempts.try_join_next().is_some() {}
        }
        while attempts.join_next().await.is_some() {}
    }

    /// Sends the text of an attempt. If this panics, the result of the attempt is unknown and is looked up at the
    /// carrier.
    async fn send(self, attempt: SendAttempt) {
        let (agency, message) = (attempt.agency, attempt.message);
        let span = tracing::debug_span!("send_text", %agency, %message);
        let sending = async {
            let jitter = self.services.ids.nonce()[0];
            send_attempt(&self.services, attempt, jitter).await
        };
        match AssertUnwindSafe(sending).catch_unwind().instrument(span).await {
            Ok(Ok(outcome)) => self.metrics.send(&outcome),
            Ok(Err(error)) => {
                tracing::error!(%error, %message, "the result of an attempt was not recorded; it is looked up");
            }
            Err(_) => {
                tracing::error!(%message, "an attempt to send a text panicked; its result is looked up");
                self.panicked();
            }
        }
    }

    fn panicked(&self) {
        self.metrics.panicked(Component::Worker);
        self.status.panicked(self.services.clock.now());
    }
}
