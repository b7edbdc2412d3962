//! Waits poll a condition and fail after a time limit. None waits for a fixed time.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// The time limit of each wait. It is several times what any wait takes alone, because the slow tests share two cores.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Periodic ticks, for example to advance the clock. Missed ticks are delayed, not made up in a burst, so that the
/// tested code observes each step.
pub(crate) fn ticks(every: Duration) -> Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The result of `future`. Panics after the time limit.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("timed out after {LIMIT:?}: {what}"),
    }
}

/// Polls until there is a value.
pub(crate) async fn until<T, F>(what: &str, mut poll: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let polling = async {
        let mut ticks = ticks(POLL_INTERVAL);
        loop {
            ticks.tick().await;
            if let Some(found) = poll().await {
                return found;
            }
        }
    };
    within(what, polling).await
}
