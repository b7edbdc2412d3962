//! Open and refused connections, and how many there may be.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors for everything but connections: databases, the log, recordings, requests to Twilio.
const OTHER_FILES: usize = 256;

/// What is counted of connections. Clones share their counts.
#[derive(Debug, Clone, Default)]
pub struct ConnectionFigures {
    /// Open connections, WebSockets among them.
    pub open: Gauge,
    /// Connections that were answered with 503, because too many were open.
    pub refused: Counter,
}

impl ConnectionFigures {
    /// Counts one more connection, unless there are so many.
    pub(super) fn open(&self, most: usize) -> Option<OpenConnection> {
        let before = self.open.inc();
        let open = OpenConnection(self.open.clone());
        if usize::try_from(before).is_ok_and(|before| before < most) {
            return Some(open);
        }
        self.refused.inc();
        None
    }
}

/// An open connection. It is counted until this is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Raises the soft limit of open files to the hard one, and returns how many connections there may then be: `wanted`, or
/// fewer if the limit does not allow so many.
pub fn raise_open_file_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    // `None` is no limit.
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    let possible = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    let possible = possible.saturating_sub(OTHER_FILES).max(1);
    if possible < wanted {
        tracing::warn!(wanted, possible, "the limit of open files allows fewer connections than PARTYLINE_CONNECTIONS");
    }
    wanted.min(possible)
}
