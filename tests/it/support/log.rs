//! Everything that the server logs, at every level, from every test of this process.

use std::io::Write;
use std::sync::{Mutex, Once};

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, fmt};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static BEGIN: Once = Once::new();

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

/// Begins to listen, once per process. Libraries are heard from warnings on, as in `telemetry`:
/// the test's own HTTP client would otherwise be heard, too. `canary.rs` listens to a process of
/// the server's own at all levels.
pub(crate) fn listen() {
    BEGIN.call_once(|| {
        let ours = filter_fn(|metadata| metadata.target().starts_with("partyline") || *metadata.level() <= Level::WARN);
        let layer = fmt::layer().with_ansi(false).with_span_events(FmtSpan::FULL).with_writer(|| Buffer);
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(ours));
        tracing::subscriber::set_global_default(subscriber).expect("nobody else logs");
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(place) = panic.location().filter(|place| place.file().starts_with("src/")) {
                PANICS.lock().unwrap().push(format!("{}:{}", place.file(), place.line()));
            }
            usual(panic);
        }));
    });
}

/// What was logged so far, by all tests.
pub(crate) fn lines() -> String {
    String::from_utf8_lossy(&LINES.lock().unwrap()).into_owned()
}

/// Where the server panicked so far, in any test.
pub(crate) fn panics() -> Vec<String> {
    PANICS.lock().unwrap().clone()
}
