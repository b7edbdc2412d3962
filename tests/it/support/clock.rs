//! A clock that stands still until a test moves it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use partyline::ports::Clock;
use tokio::sync::watch;

/// Where the clock of every test starts: a Monday, 15:00 UTC.
pub(crate) const ORIGIN: i64 = 1_795_446_000;

#[derive(Debug)]
pub(crate) struct MockClock {
    elapsed: watch::Sender<Duration>,
}

impl MockClock {
    pub(crate) fn new() -> Self {
        // Not zero, so that nothing looks as old as the clock itself.
        Self { elapsed: watch::Sender::new(Duration::from_secs(3600)) }
    }

    /// Moves the time on; whoever sleeps no longer than this wakes up.
    pub(crate) fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }

    pub(crate) fn advance_days(&self, days: u64) {
        self.advance(Duration::from_secs(days * 24 * 3600));
    }

    /// Sets the time of day, which only goes forwards.
    pub(crate) fn set(&self, to: DateTime<Utc>) {
        let by = (to - self.now()).to_std().expect("a clock that does not go back");
        self.advance(by);
    }
}

impl Clock for MockClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(*self.elapsed.borrow()).expect("an elapsed time within reason");
        DateTime::from_timestamp(ORIGIN - 3600, 0).expect("a valid origin") + elapsed
    }

    fn monotonic(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut elapsed = self.elapsed.subscribe();
        let until = *elapsed.borrow() + duration;
        Box::pin(async move {
            if elapsed.wait_for(|elapsed| *elapsed >= until).await.is_err() {
                // The clock is gone, and with it the test.
                std::future::pending::<()>().await;
            }
        })
    }

    fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::task::yield_now())
    }
}

#[tokio::test]
async fn a_sleeper_wakes_when_the_clock_has_passed_it() {
    let clock = MockClock::new();
    let mut sleeper = clock.sleep(Duration::from_secs(5));
    clock.advance(Duration::from_secs(4));
    assert!(futures_util::poll!(&mut sleeper).is_pending());
    clock.set(DateTime::from_timestamp(ORIGIN + 5, 0).unwrap());
    sleeper.await;
    assert_eq!(clock.now().timestamp(), ORIGIN + 5);
}
