//! Activity of a connection: running requests and written bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose response has not begun.
    running: AtomicUsize,
    written_bytes: AtomicU64,
}

impl Activity {
    /// Counts a request as running until the guard is dropped.
    pub(super) fn start_request(self: &Arc<Self>) -> RunningRequest {
        self.running.fetch_add(1, Ordering::Relaxed);
        RunningRequest(self.clone())
    }

    pub(super) fn record_written(&self, bytes: usize) {
        self.written_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The number of bytes written so far.
    pub(super) fn progress(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Whether a request is running or bytes have been written since `progress`, which is updated.
    pub(super) fn is_busy_since(&self, progress: &mut u64) -> bool {
        let before = std::mem::replace(progress, self.progress());
        self.running.load(Ordering::Relaxed) > 0 || before != *progress
    }
}

#[derive(Debug)]
pub(super) struct RunningRequest(Arc<Activity>);

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
