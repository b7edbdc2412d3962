//! Log lines. They never hold a text, a name, a number or a token: a test plants canaries.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{LogFormat, LogSettings};

/// Begins to log to standard error, so that standard output is the command's own.
///
/// Below warnings only our own lines are shown, whatever the filter asks for: those of libraries
/// may quote statements and requests.
///
/// # Errors
/// When somebody logs already.
pub fn init(settings: &LogSettings) -> Result<(), TryInitError> {
    let ours =
        filter_fn(|metadata| metadata.target().starts_with("partyline") || *metadata.level() <= tracing::Level::WARN);
    // Colours are for a terminal; in a file they would stand between a name and its value.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(ours)).with(EnvFilter::new(&settings.filter)).try_init()
}
