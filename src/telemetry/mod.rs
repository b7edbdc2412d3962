//! Logging. Log lines never contain message bodies, names, phone numbers or tokens; `tests/it/canary.rs` checks this.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{LogFormat, LogSettings};
use crate::ports::Clock;

mod limit;
mod otlp;
pub mod panics;

pub use limit::LogLimit;
pub use otlp::SpanExport;

/// Starts logging to standard error; standard output is reserved for the output of commands.
///
/// Libraries log only warnings and errors, whatever the filter says, because their other lines may quote statements and
/// requests. Each call site logs a limited number of warnings and errors per period. A server calls
/// [`LogLimit::report`] to log how many were suppressed.
///
/// With `otlp_endpoint`, spans are exported to an OpenTelemetry collector until the returned value is dropped.
///
/// # Errors
/// If a global subscriber is already set, or the exporter cannot be set up.
pub fn init(settings: &LogSettings, clock: Arc<dyn Clock>) -> anyhow::Result<(LogLimit, Option<SpanExport>)> {
    let limit = LogLimit::new(clock);
    let (subscriber, export) = subscriber(settings, limit.clone())?;
    subscriber.try_init()?;
    panics::install_hook();
    Ok((limit, export))
}

/// A layer that is `None` would enable every span, and a filter without a hint every line of the `log` crate, for each
/// poll and frame of a socket: so a layer that is not wanted is absent, and each filter has a hint.
fn subscriber(
    settings: &LogSettings,
    limit: LogLimit,
) -> anyhow::Result<(impl Subscriber + Send + Sync + use<>, Option<SpanExport>)> {
    let targets =
        filter_fn(|metadata| metadata.target().starts_with("partyline") || *metadata.level() <= tracing::Level::WARN)
            .with_max_level_hint(LevelFilter::TRACE);
    // A slow wait for a connection is not logged; a request that fails because of it is.
    let no_waits = filter_fn(|metadata| metadata.target() != "sqlx::pool::acquire");
    let targets = targets.and(no_waits.with_max_level_hint(LevelFilter::TRACE));
    // Color codes in a file would separate names from their values.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(EnvFilter::new(&settings.filter).and(targets).and(limit));
    let (spans, export) = settings.otlp_endpoint.as_deref().map(otlp::layer).transpose()?.unzip();
    let layers: Vec<_> = std::iter::once(lines.boxed()).chain(spans.map(|spans| spans.boxed())).collect();
    Ok((tracing_subscriber::registry().with(layers), export))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::ports::SystemClock;

    /// Makes the test check the filter, in a process of its own: whether a call site is enabled is cached for the whole
    /// process, and other tests install other subscribers.
    const CHECKS: &str = "PARTYLINE_TEST_CHECKS_FILTER";

    fn check() {
        let settings = LogSettings { filter: "info".into(), format: LogFormat::Text, otlp_endpoint: None };
        let (subscriber, _) = subscriber(&settings, LogLimit::new(Arc::new(SystemClock::new()))).unwrap();
        assert_eq!(subscriber.max_level_hint(), Some(LevelFilter::INFO));
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::debug_span!("excluded").is_disabled());
            assert!(!tracing::info_span!("included").is_disabled());
        });
    }

    #[test]
    fn what_the_filter_excludes_is_disabled_at_its_call_site() {
        if std::env::var_os(CHECKS).is_some() {
            check();
            return;
        }
        let test = "telemetry::tests::what_the_filter_excludes_is_disabled_at_its_call_site";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", "--nocapture", test]).env(CHECKS, "1").output().unwrap();
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && log.contains("1 passed"), "{log}");
    }
}
