//! A rate limit per call site for log lines, so that a repeated fault cannot fill the disk.
//!
//! When a database is unavailable, every request and every worker fails for the same reason. The first lines are
//! logged; the rest are counted, and the count is logged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::subscriber::Subscriber;
use tracing::{Event, Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use crate::ports::Clock;

/// The number of warnings and errors that a call site may log per [`LogLimit::PERIOD`].
const MAX_LINES: u64 = 20;
/// Counts the warnings and errors of each call site. The number of call sites is fixed, so memory is bounded.
#[derive(Clone)]
pub struct LogLimit {
    clock: Arc<dyn Clock>,
    call_sites: Arc<Mutex<HashMap<Identifier, CallSite>>>,
}

#[derive(Debug)]
struct CallSite {
    file: &'static str,
    line: u32,
    began: Duration,
    lines: u64,
    suppressed: u64,
}

/// The number of suppressed lines of a call site.
#[derive(Debug, PartialEq, Eq)]
struct Suppressed {
    file: &'static str,
    line: u32,
    lines: u64,
}

impl LogLimit {
    /// The period of the limit, and the interval of the reports.
    pub const PERIOD: Duration = Duration::from_secs(10);

    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, call_sites: Arc::default() }
    }

    /// Logs the number of lines per call site that were suppressed since the last report.
    pub fn report(&self) {
        for Suppressed { file, line, lines } in self.take_suppressed() {
            tracing::warn!(lines, place = format!("{file}:{line}"), "repeated log lines were suppressed");
        }
    }

    fn admits(&self, metadata: &'static Metadata<'static>) -> bool {
        // Only warnings and errors repeat at a high rate.
        if *metadata.level() > Level::WARN {
            return true;
        }
        let now = self.clock.monotonic();
        let mut call_sites = self.lock();
        let call_site = call_sites.entry(metadata.callsite()).or_insert_with(|| CallSite {
            file: metadata.file().unwrap_or_else(|| metadata.target()),
            line: metadata.line().unwrap_or(0),
            began: now,
            lines: 0,
            suppressed: 0,
        });
        if now.saturating_sub(call_site.began) >= Self::PERIOD {
            (call_site.began, call_site.lines) = (now, 0);
        }
        call_site.lines += 1;
        let admitted = call_site.lines <= MAX_LINES;
        call_site.suppressed += u64::from(!admitted);
        admitted
    }

    fn take_suppressed(&self) -> Vec<Suppressed> {
        let mut call_sites = self.lock();
        let suppressed = call_sites.values_mut().filter(|call_site| call_site.suppressed > 0);
        suppressed
            .map(|call_site| Suppressed {
                file: call_site.file,
                line: call_site.line,
                lines: std::mem::take(&mut call_site.suppressed),
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, CallSite>> {
        self.call_sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Filter<S> for LogLimit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
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
    fn a_call_site_that_repeats_is_suppressed_and_counted_until_the_period_is_over() {
        let (clock, shown) = (Arc::new(Stopped::default()), Arc::new(AtomicU64::new(0)));
        let limit = LogLimit::new(clock.clone());
        let subscriber = Registry::default().with(Count(shown.clone()).with_filter(limit.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let fail = || tracing::error!("the database is away");
            (0..1_000).for_each(|_| fail());
            assert_eq!(shown.load(Ordering::Relaxed), MAX_LINES);
            // Another call site has its own count, and lines below warnings are not counted.
            tracing::warn!("a worker failed");
            (0..100).for_each(|_| tracing::info!("serving"));
            assert_eq!(shown.load(Ordering::Relaxed), MAX_LINES + 101);
            let suppressed = limit.take_suppressed();
            assert_eq!(suppressed.iter().map(|call_site| call_site.lines).collect::<Vec<_>>(), [1_000 - MAX_LINES]);
            assert_eq!(limit.take_suppressed(), []);
            clock.0.store(LogLimit::PERIOD.as_secs(), Ordering::Relaxed);
            fail();
            assert_eq!(shown.load(Ordering::Relaxed), MAX_LINES + 102);
        });
    }
}
