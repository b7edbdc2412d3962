//! Counters and histograms of the writer, shown on `/metrics`.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Counted since the start of the process.
#[derive(Debug)]
pub struct WriterFigures {
    /// Jobs per committed transaction.
    pub batch_size: Histogram,
    /// Seconds from the first statement of a batch to its commit, retries included.
    pub commit_seconds: Histogram,
    /// Committed transactions.
    pub batches: Counter,
    /// Committed transactions on the lane's own connection to SQLite.
    pub direct_batches: Counter,
    /// Committed jobs.
    pub items: Counter,
    /// Batches that the database failed to commit.
    pub failed_batches: Counter,
    /// Batches that were run again after a deadlock or a serialization failure.
    pub retried_batches: Counter,
    /// Batches that were split to isolate an item that cannot be stored.
    pub halved_batches: Counter,
    /// Jobs that cannot be stored.
    pub rejected_items: Counter,
    /// Jobs that were turned away because a queue was full.
    pub overloaded: Counter,
    pub panics: Counter,
    /// Pages of 4 KiB in SQLite's write-ahead log when it was last moved into the database file.
    pub log_pages: Gauge,
}

impl Default for WriterFigures {
    fn default() -> Self {
        Self {
            batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 8)),
            commit_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 14)),
            batches: Counter::default(),
            direct_batches: Counter::default(),
            items: Counter::default(),
            failed_batches: Counter::default(),
            retried_batches: Counter::default(),
            halved_batches: Counter::default(),
            rejected_items: Counter::default(),
            overloaded: Counter::default(),
            panics: Counter::default(),
            log_pages: Gauge::default(),
        }
    }
}

impl WriterFigures {
    pub(super) fn committed(&self, jobs: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most a few thousand jobs")]
        self.batch_size.observe(jobs as f64);
        self.commit_seconds.observe(took.as_secs_f64());
        self.batches.inc();
        self.items.inc_by(jobs as u64);
    }

    pub(super) fn written_directly(&self) {
        self.direct_batches.inc();
    }

    pub(super) fn failed(&self) {
        self.failed_batches.inc();
    }

    pub(super) fn retried(&self) {
        self.retried_batches.inc();
    }

    pub(super) fn halved(&self) {
        self.halved_batches.inc();
    }

    pub(super) fn rejected(&self) {
        self.rejected_items.inc();
    }

    pub(super) fn overloaded(&self) {
        self.overloaded.inc();
    }

    pub(super) fn panicked(&self) {
        self.panics.inc();
    }
}
