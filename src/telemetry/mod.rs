//! Logging. Log lines never contain message bodies, names, phone numbers or tokens; `tests/it/canary.rs` checks this.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
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
/// requests. Each call site logs a limited number of warnings and errors per period; [`LogLimit::report`] logs how many
/// were suppressed.
///
/// With `otlp_endpoint`, spans are exported to an OpenTelemetry collector until the returned value is dropped.
///
/// # Errors
/// If a global subscriber is already set, or the exporter cannot be set up.
pub fn init(settings: &LogSettings, clock: Arc<dyn Clock>) -> anyhow::Result<(LogLimit, Option<SpanExport>)> {
    let targets =
        filter_fn(|metadata| metadata.target().starts_with("partyline") || *metadata.level() <= tracing::Level::WARN);
    // A slow wait for a connection is not logged; a request that fails because of it is.
    let targets = targets.and(filter_fn(|metadata| metadata.target() != "sqlx::pool::acquire"));
    let limit = LogLimit::new(clock);
    // Color codes in a file would separate names from their values.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(EnvFilter::new(&settings.filter).and(targets).and(limit.clone()));
    let (spans, export) = settings.otlp_endpoint.as_deref().map(otlp::layer).transpose()?.unzip();
    tracing_subscriber::registry().with(lines).with(spans).try_init()?;
    panics::install_hook();
    Ok((limit, export))
}
