//! Subscriptions to state that is not in the log: presence, and the counts of threads. Nothing is replayed.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::domain::{AgencyId, PhoneNumberId, ThreadId};
use crate::events::presence::PresenceChange;
use crate::graphql::errors::{Code, Failure};
use crate::graphql::types::ThreadCounts;
use crate::ports::Clock;
use crate::service::Services;

/// The shortest time between two deliveries of counts.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The changes of presence in an agency.
pub(super) struct PresenceSource {
    changes: broadcast::Receiver<PresenceChange>,
    /// `None` for all threads.
    threads: Option<Vec<ThreadId>>,
}

impl PresenceSource {
    pub(super) fn begin(services: &Services, agency: AgencyId, threads: Option<Vec<ThreadId>>) -> Self {
        Self { changes: services.presence.subscribe(agency), threads }
    }

    /// Waits for the next change in one of the threads.
    ///
    /// # Errors
    /// RESUME if the subscriber fell behind: it may have missed that a user left.
    pub(super) async fn next(&mut self) -> Result<PresenceChange, Failure> {
        loop {
            match self.changes.recv().await {
                Ok(change) if self.includes(change.presence.thread) => return Ok(change),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    let message = "The subscription fell behind. Subscribe again and query `Thread.presence`.";
                    return Err(Failure::new(Code::Resume, message));
                }
                // Does not happen, because the board keeps agencies with subscribers.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn includes(&self, thread: ThreadId) -> bool {
        self.threads.as_ref().is_none_or(|threads| threads.contains(&thread))
    }
}

/// The counts of a viewer's threads.
pub(super) struct CountsSource {
    /// The newest position of the log. Whatever changes a count appends an event.
    positions: watch::Receiver<i64>,
    /// Signals changes of the directory. A change of another instance may become visible here only after its position.
    directory: watch::Receiver<()>,
    /// `None`: none of the given numbers exists, so all counts are 0.
    numbers: Option<Vec<PhoneNumberId>>,
    /// When the threads were last counted, on the monotonic clock.
    counted_at: Option<Duration>,
    delivered: Option<ThreadCounts>,
}

impl CountsSource {
    pub(super) async fn begin(
        services: &Services,
        agency: AgencyId,
        numbers: Option<Vec<PhoneNumberId>>,
    ) -> Result<Self, DbErr> {
        let directory = services.feeds.directory_changes(agency);
        let positions = services.feeds.positions(agency).await?;
        Ok(Self { positions, directory, numbers, counted_at: None, delivered: None })
    }

    /// The numbers whose threads are counted, see [`Self::numbers`].
    pub(super) fn numbers(&self) -> Option<&[PhoneNumberId]> {
        self.numbers.as_deref()
    }

    /// Waits until the counts may have changed. Returns the newest position of the log; the first time at once.
    pub(super) async fn changed(&mut self, clock: &dyn Clock) -> i64 {
        if let Some(counted_at) = self.counted_at {
            // Neither sender is dropped, because a feed with receivers is kept.
            tokio::select! {
                _ = self.positions.changed() => {}
                _ = self.directory.changed() => {}
            }
            let rest = COUNT_INTERVAL.saturating_sub(clock.monotonic().saturating_sub(counted_at));
            if !rest.is_zero() {
                clock.sleep(rest).await;
            }
        }
        self.counted_at = Some(clock.monotonic());
        self.directory.mark_unchanged();
        *self.positions.borrow_and_update()
    }

    /// Records the counts. Returns whether they differ from those that were delivered.
    pub(super) fn record(&mut self, counts: ThreadCounts) -> bool {
        self.delivered.replace(counts) != Some(counts)
    }
}
