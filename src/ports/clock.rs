//! The clock. `clippy.toml` bans direct access to the system clock everywhere else.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use futures_util::future::BoxFuture;

/// A clock that tests can replace.
pub trait Clock: Send + Sync + Debug {
    /// The current time in whole microseconds, the precision that all databases store.
    fn now(&self) -> DateTime<Utc>;

    /// The time since a fixed point, which never goes backward. Use it to measure intervals.
    fn monotonic(&self) -> Duration;

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Waits for a few milliseconds, only to batch work. Correctness must not depend on it, so a test clock may use
    /// real time here instead of waiting to be advanced.
    fn pause(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A sleep that owns its clock, so that it can be stored.
pub fn owned_sleep(clock: &Arc<dyn Clock>, duration: Duration) -> BoxFuture<'static, ()> {
    let clock = Arc::clone(clock);
    Box::pin(async move { clock.sleep(duration).await })
}

/// The system clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose `monotonic` starts at zero now.
    #[expect(
        clippy::new_without_default,
        reason = "a new clock depends on the current time, so it is not a default value"
    )]
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
