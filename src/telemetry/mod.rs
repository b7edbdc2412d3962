//! Log lines. They never hold a text, a name, a number or a token: a test plants canaries.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{LogFormat, LogSettings};
use crate::ports::Clock;

mod limit;

pub use limit::LogLimit;

/// Begins to log to standard error, so that standard output is the command's own.
///
/// Below warnings only our own lines are shown, whatever the filter asks for: those of libraries
/// may quote statements and requests.
///
/// One place in the code logs at most some warnings or errors in a while; [`LogLimit::report`] tells of the rest.
///
/// # Errors
/// When somebody logs already.
pub fn init(settings: &LogSettings, clock: Arc<dyn Clock>) -> Result<LogLimit, TryInitError> {
    let ours =
        filter_fn(|metadata| metadata.target().starts_with("partyline") || *metadata.level() <= tracing::Level::WARN);
    // A wait for a connection is not worth a line: what the wait made fail has one.
    let ours = ours.and(filter_fn(|metadata| metadata.target() != "sqlx::pool::acquire"));
    let limit = LogLimit::new(clock);
    // Colours are for a terminal; in a file they would stand between a name and its value.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(ours.and(limit.clone()));
    tracing_subscriber::registry().with(lines).with(EnvFilter::new(&settings.filter)).try_init()?;
    Ok(limit)
}
