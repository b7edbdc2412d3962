//! A clock that advances only when a test advances it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use partyline::ports::Clock;
use tokio::sync::watch;
use tokio::task;

/// The start time of the mock clock in every test: a Monday, 15:00 UTC.
pub(crate) const ORIGIN: i64 = 1_795_446_000;

#[derive(Debug)]
pub(crate) struct MockClock {
    elapsed: watch::Sender<Duration>,
    panics_on_monotonic: AtomicBool,
    panicking_task: Mutex<Option<task::Id>>,
}

impl MockClock {
    pub(crate) fn new() -> Self {
        // The monotonic time does not start at zero, so that nothing appears to date from the clock's start.
        Self {
            elapsed: watch::Sender::new(Duration::from_secs(3600)),
            panics_on_monotonic: AtomicBool::new(false),
            panicking_task: Mutex::new(None),
        }
    }

    /// Advances the time and wakes every sleeper whose time has come.
    pub(crate) fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }

    /// Makes the next call of `monotonic` panic.
    pub(crate) fn panic_on_monotonic(&self) {
        self.panics_on_monotonic.store(true, Ordering::SeqCst);
    }

    /// Makes the next call of `monotonic` or `sleep` in this task panic.
    pub(crate) fn panic_in(&self, task: task::Id) {
        *self.panicking_task.lock().unwrap() = Some(task);
    }

    /// Panics if [`panic_in`](Self::panic_in) has chosen the task that calls.
    fn check_task(&self) {
        let is_chosen = {
            let mut chosen = self.panicking_task.lock().unwrap();
            let is_chosen = chosen.is_some() && *chosen == task::try_id();
            if is_chosen {
                *chosen = None;
            }
            is_chosen
        };
        assert!(!is_chosen, "a panic that the test injects");
    }

    pub(crate) fn advance_days(&self, days: u64) {
        self.advance(Duration::from_secs(days * 24 * 3600));
    }

    /// Advances the clock to this time, which must not be in the past.
    pub(crate) fn set(&self, to: DateTime<Utc>) {
        let by = (to - Clock::now(self)).to_std().expect("a time that is not in the past");
        self.advance(by);
    }
}

impl Clock for MockClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(*self.elapsed.borrow()).expect("a duration in range");
        DateTime::from_timestamp(ORIGIN - 3600, 0).expect("a valid origin") + elapsed
    }

    fn monotonic(&self) -> Duration {
        assert!(!self.panics_on_monotonic.swap(false, Ordering::SeqCst), "a panic that the test injects");
        self.check_task();
        *self.elapsed.borrow()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.check_task();
        let mut elapsed = self.elapsed.subscribe();
        let until = *elapsed.borrow() + duration;
        Box::pin(async move {
            if elapsed.wait_for(|elapsed| *elapsed >= until).await.is_err() {
                // The clock was dropped because the test ended.
                std::future::pending::<()>().await;
            }
        })
    }

    fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(task::yield_now())
    }
}

/// The simulated carrier can follow the same clock.
impl partyline_simulator::Clock for MockClock {
    fn now(&self) -> DateTime<Utc> {
        Clock::now(self)
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(self)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Clock::sleep(self, duration)
    }
}

#[tokio::test]
async fn a_sleeper_wakes_when_the_clock_passes_its_deadline() {
    let clock = MockClock::new();
    let mut sleeper = Clock::sleep(&clock, Duration::from_secs(5));
    clock.advance(Duration::from_secs(4));
    assert!(futures_util::poll!(&mut sleeper).is_pending());
    clock.set(DateTime::from_timestamp(ORIGIN + 5, 0).unwrap());
    sleeper.await;
    assert_eq!(Clock::now(&clock).timestamp(), ORIGIN + 5);
}
