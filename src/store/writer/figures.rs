//! What the writer counts, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the start. Each only grows.
#[derive(Debug, Default)]
pub struct WriterFigures {
    batches: AtomicU64,
    items: AtomicU64,
    failed_batches: AtomicU64,
    refused_items: AtomicU64,
    overloaded: AtomicU64,
    busy_microseconds: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "named as on /metrics, where each is explained")]
pub struct WriterCounts {
    pub batches: u64,
    pub items: u64,
    pub failed_batches: u64,
    pub refused_items: u64,
    pub overloaded: u64,
    pub busy_microseconds: u64,
}

impl WriterFigures {
    /// Reads them.
    pub fn counts(&self) -> WriterCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WriterCounts {
            batches: read(&self.batches),
            items: read(&self.items),
            failed_batches: read(&self.failed_batches),
            refused_items: read(&self.refused_items),
            overloaded: read(&self.overloaded),
            busy_microseconds: read(&self.busy_microseconds),
        }
    }

    pub(super) fn committed(&self, items: usize, took: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
        self.busy_microseconds.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed_batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused_items.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn overloaded(&self) {
        self.overloaded.fetch_add(1, Ordering::Relaxed);
    }
}
