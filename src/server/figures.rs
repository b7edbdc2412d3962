//! Metrics and limits of connections.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors reserved for everything except connections: databases, the log, recordings, requests to Twilio.
const OTHER_FILES: usize = 256;

/// Metrics of connections. Clones share their values.
#[derive(Debug, Clone, Default)]
pub struct ConnectionMetrics {
    /// Open connections, including WebSockets.
    pub open: Gauge,
    /// Connections rejected with 503 because too many were open.
    pub refused: Counter,
}

impl ConnectionMetrics {
    /// Counts a connection as open; `None` if `limit` connections are open already.
    pub(super) fn open(&self, limit: usize) -> Option<OpenConnection> {
        let before = self.open.inc();
        let open = OpenConnection(self.open.clone());
        if usize::try_from(before).is_ok_and(|before| before < limit) {
            return Some(open);
        }
        self.refused.inc();
        None
    }
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Raises the soft limit of open files to the hard limit. Returns the number of connections that the limit allows, at
/// most `wanted`.
pub fn raise_open_file_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    // `None` means unlimited.
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    let possible = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    let possible = possible.saturating_sub(OTHER_FILES).max(1);
    if possible < wanted {
        tracing::warn!(wanted, possible, "the limit of open files allows fewer connections than PARTYLINE_CONNECTIONS");
    }
    wanted.min(possible)
}
