//! Bounds how often one place in the code may log, so that a fault that repeats cannot fill the disk.
//!
//! When a database goes away, every request and every worker fails for the same reason. A few of those lines say all
//! that there is to say; the rest are counted, and the count is logged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::subscriber::Subscriber;
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use crate::ports::Clock;

/// How many warnings or errors one place logs in [`PERIOD`].
const LINES: u64 = 20;
/// How long lines are counted, and how often it is reported how many were left out.
const PERIOD: Duration = Duration::from_secs(10);

/// Counts the warnings and errors of each place in the code. There are as many places as the code has, so it is bounded.
#[derive(Clone)]
pub struct LogLimit {
    clock: Arc<dyn Clock>,
    places: Arc<Mutex<HashMap<Identifier, Place>>>,
}

#[derive(Debug)]
struct Place {
    file: &'static str,
    line: u32,
    began: Duration,
    lines: u64,
    left_out: u64,
}

/// A place of which lines were left out.
#[derive(Debug, PartialEq, Eq)]
struct LeftOut {
    file: &'static str,
    line: u32,
    lines: u64,
}

impl LogLimit {
    /// A limit that counts by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, places: Arc::default() }
    }

    /// Reports every ten seconds how many lines were left out, and where. It never ends.
    pub async fn report(self) {
        loop {
            self.clock.sleep(PERIOD).await;
            for LeftOut { file, line, lines } in self.take_left_out() {
                tracing::warn!(lines, place = format!("{file}:{line}"), "repeated lines of this place were left out");
            }
        }
    }

    fn admits(&self, metadata: &'static Metadata<'static>) -> bool {
        // Places that are not about trouble do not repeat.
        if *metadata.level() > Level::WARN {
            return true;
        }
        let now = self.clock.monotonic();
        let mut places = self.lock();
        let place = places.entry(metadata.callsite()).or_insert_with(|| Place {
            file: metadata.file().unwrap_or_else(|| metadata.target()),
            line: metadata.line().unwrap_or(0),
            began: now,
            lines: 0,
            left_out: 0,
        });
        if now.saturating_sub(place.began) >= PERIOD {
            (place.began, place.lines) = (now, 0);
        }
        place.lines += 1;
        let admitted = place.lines <= LINES;
        place.left_out += u64::from(!admitted);
        admitted
    }

    fn take_left_out(&self) -> Vec<LeftOut> {
        let mut places = self.lock();
        let silenced = places.values_mut().filter(|place| place.left_out > 0);
        silenced
            .map(|place| LeftOut { file: place.file, line: place.line, lines: std::mem::take(&mut place.left_out) })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Filter<S> for LogLimit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.admits(event.metadata())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU64, Ordering};

    use chrono::{DateTime, Utc};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Layer, Registry};

    use super::*;

    #[derive(Debug, Default)]
    struct Stopped(AtomicU64);

    impl Clock for Stopped {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }

        fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(std::future::pending())
        }

        fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(std::future::pending())
        }
    }

    struct Count(Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_place_that_repeats_is_silenced_and_counted_until_the_period_is_over() {
        let (clock, shown) = (Arc::new(Stopped::default()), Arc::new(AtomicU64::new(0)));
        let limit = LogLimit::new(clock.clone());
        let subscriber = Registry::default().with(Count(shown.clone()).with_filter(limit.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let fail = || tracing::error!("the database is away");
            (0..1_000).for_each(|_| fail());
            assert_eq!(shown.load(Ordering::Relaxed), LINES);
            // Another place has its own count, and what is no trouble has none.
            tracing::warn!("a worker failed");
            (0..100).for_each(|_| tracing::info!("serving"));
            assert_eq!(shown.load(Ordering::Relaxed), LINES + 101);
            let left_out = limit.take_left_out();
            assert_eq!(left_out.iter().map(|place| place.lines).collect::<Vec<_>>(), [1_000 - LINES]);
            assert_eq!(limit.take_left_out(), []);
            clock.0.store(PERIOD.as_secs(), Ordering::Relaxed);
            fail();
            assert_eq!(shown.load(Ordering::Relaxed), LINES + 102);
        });
    }
}
