//! Whether anything happens on a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What happens on one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose answer has not begun.
    running: AtomicUsize,
    written_bytes: AtomicU64,
}

impl Activity {
    /// A request begins; it ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.written_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many bytes have been written.
    pub(super) fn progress(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Whether a request runs, or bytes have been written since `progress`, which is brought up to date.
    pub(super) fn is_busy_since(&self, progress: &mut u64) -> bool {
        let before = std::mem::replace(progress, self.progress());
        self.running.load(Ordering::Relaxed) > 0 || before != *progress
    }
}

/// A request that runs.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
