//! Captures the server's logs, at every level, from all tests of this process.

use std::io::Write;
use std::sync::{Mutex, Once};

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, fmt};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

struct Buffer;

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Installs the subscriber, once per process. Like `telemetry`, it records libraries only at WARN and above, because
/// the tests' own HTTP client would otherwise log, too. `canary.rs` captures a separate server process at all levels.
pub(crate) fn install() {
    INSTALL.call_once(|| {
        let filter =
            filter_fn(|metadata| metadata.target().starts_with("partyline") || *metadata.level() <= Level::WARN);
        let layer = fmt::layer().with_ansi(false).with_span_events(FmtSpan::FULL).with_writer(|| Buffer);
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
        tracing::subscriber::set_global_default(subscriber).expect("no other subscriber is installed");
        let default_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(location) = panic.location().filter(|location| location.file().starts_with("src/")) {
                PANICS.lock().unwrap().push(format!("{}:{}", location.file(), location.line()));
            }
            default_hook(panic);
        }));
    });
}

/// Everything logged so far, by all tests.
pub(crate) fn lines() -> String {
    String::from_utf8_lossy(&LINES.lock().unwrap()).into_owned()
}

/// The source locations of the server's panics so far, in any test.
pub(crate) fn panics() -> Vec<String> {
    PANICS.lock().unwrap().clone()
}
