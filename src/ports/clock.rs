//! Time. `clippy.toml` bans the ambient clocks everywhere else.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};

/// A clock to read and to wait by.
pub trait Clock: Send + Sync + Debug {
    /// The time of day, in whole microseconds, which is what every database keeps.
    fn now(&self) -> DateTime<Utc>;

    /// Time that only grows, since some fixed moment: for ages and intervals.
    fn monotonic(&self) -> Duration;

    /// Waits.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Waits a few milliseconds at most, for pace alone: nothing that is promised depends on it, so a
    /// test's clock need not be advanced for it.
    fn pause(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock that begins to count now.
    #[expect(clippy::new_without_default, reason = "starting a clock is an act, not a default value")]
    #[expect(clippy::disallowed_methods, reason = "this is the port that the ban points to")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the port that the ban points to")]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn pause(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.sleep(duration)
    }
}
