//! The metrics of this process, shown at `/metrics` in the OpenMetrics text format. Metrics and labels never contain
//! personal data.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::domain::delivery::SendOutcome;
use crate::domain::reconciliation::Arrivals;
use crate::service::carrier_deletions::CarrierDeletions;
use crate::service::retention::Purged;
use labels::{
    ArrivalLabels, CallLabels, ErrorLabels, HttpLabels, OperationLabels, PanicLabels, PurgeLabels, ReceiptLabels,
    SendLabels, TextLabels,
};

mod labels;
mod render;
pub mod workers;

pub use labels::{CallOutcome, Component, OperationKind, ReceiptOutcome, TextOutcome};
pub use workers::{WorkerRegistry, WorkerStatus};

/// Operation names of clients that have their own label. Further names share the label `other`, because clients choose
/// them freely.
const MAX_OPERATION_NAMES: usize = 100;
/// Longer operation names share the label `other`.
const MAX_OPERATION_NAME_CHARS: usize = 64;

/// The counters and histograms of this process, except those of the writer.
#[derive(Debug)]
pub struct Metrics {
    /// The background tasks.
    pub workers: WorkerRegistry,
    open_connections: Gauge,
    refused_connections: Counter,
    texts: Family<TextLabels, Counter>,
    receipts: Family<ReceiptLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    late_arrivals: Family<ArrivalLabels, Counter>,
    sends: Family<SendLabels, Counter>,
    http: Family<HttpLabels, Histogram, fn() -> Histogram>,
    operations: Family<OperationLabels, Histogram, fn() -> Histogram>,
    operation_errors: Family<ErrorLabels, Counter>,
    operation_names: Mutex<BTreeSet<String>>,
    subscription_executions: Counter,
    fan_out_lag: Histogram,
    panics: Family<PanicLabels, Counter>,
    purged: Family<PurgeLabels, Counter>,
    carrier_deletions: Counter,
    failed_carrier_deletions: Counter,
}

/// From 1 ms to 16 s.
fn request_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Metrics {
    /// The arguments are shared with the server, which counts connections.
    pub fn new(open_connections: Gauge, refused_connections: Counter) -> Self {
        Self {
            workers: WorkerRegistry::default(),
            open_connections,
            refused_connections,
            texts: Family::default(),
            receipts: Family::default(),
            calls: Family::default(),
            late_arrivals: Family::default(),
            sends: Family::default(),
            http: Family::new_with_constructor(request_seconds),
            operations: Family::new_with_constructor(request_seconds),
            operation_errors: Family::default(),
            operation_names: Mutex::default(),
            subscription_executions: Counter::default(),
            fan_out_lag: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            panics: Family::default(),
            purged: Family::default(),
            carrier_deletions: Counter::default(),
            failed_carrier_deletions: Counter::default(),
        }
    }

    /// Counts a request to the text webhook.
    pub fn text(&self, outcome: TextOutcome) {
        self.texts.get_or_create(&TextLabels { outcome }).inc();
    }

    /// Counts a delivery receipt.
    pub fn receipt(&self, outcome: ReceiptOutcome) {
        self.receipts.get_or_create(&ReceiptLabels { outcome }).inc();
    }

    /// Counts a voice webhook request.
    pub fn call(&self, outcome: CallOutcome) {
        self.calls.get_or_create(&CallLabels { outcome }).inc();
    }

    /// Counts texts and calls that were imported from the carrier.
    pub fn arrived_late(&self, arrivals: Arrivals) {
        let counts = [("text", arrivals.texts), ("call", arrivals.calls), ("voicemail", arrivals.voicemails)];
        for (kind, count) in counts {
            let counter = self.late_arrivals.get_or_create(&ArrivalLabels { kind });
            counter.inc_by(u64::try_from(count).unwrap_or_default());
        }
    }

    /// Counts an attempt to send a text.
    pub fn send(&self, outcome: &SendOutcome) {
        let label = match outcome {
            SendOutcome::Accepted { .. } => "accepted",
            SendOutcome::Rejected { .. } => "rejected",
            SendOutcome::NotNow { .. } => "retried",
            SendOutcome::Withheld { .. } => "account_problem",
            SendOutcome::InDoubt => "unknown",
        };
        self.sends.get_or_create(&SendLabels { outcome: label }).inc();
    }

    /// Observes an HTTP request. `route` is the pattern of the matched route, `None` if no route matched.
    pub fn http_request(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        // Clients can send any method.
        let method = ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD"].into_iter().find(|known| *known == method);
        let route = route.unwrap_or("unmatched").to_owned();
        let labels = HttpLabels { method: method.unwrap_or("other"), route, status };
        self.http.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Observes a GraphQL operation, with the codes of its errors.
    pub fn operation<'a>(
        &self,
        kind: OperationKind,
        name: Option<&str>,
        took: Duration,
        error_codes: impl IntoIterator<Item = &'a str>,
    ) {
        let operation = self.operation_label(name);
        for code in error_codes {
            let labels = ErrorLabels { operation: operation.clone(), code: code.to_owned() };
            self.operation_errors.get_or_create(&labels).inc();
        }
        self.operations.get_or_create(&OperationLabels { kind, operation }).observe(took.as_secs_f64());
    }

    /// Counts a GraphQL request that was rejected before its operation was known.
    pub fn rejected_operation(&self, code: &str) {
        let labels = ErrorLabels { operation: "rejected".to_owned(), code: code.to_owned() };
        self.operation_errors.get_or_create(&labels).inc();
    }

    fn operation_label(&self, name: Option<&str>) -> String {
        let Some(name) = name else { return "anonymous".to_owned() };
        let mut names = self.operation_names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains(name) {
            return name.to_owned();
        }
        if names.len() >= MAX_OPERATION_NAMES || name.len() > MAX_OPERATION_NAME_CHARS {
            return "other".to_owned();
        }
        names.insert(name.to_owned());
        name.to_owned()
    }

    /// Counts an execution of the document of one or more subscriptions for an event.
    pub fn subscription_execution(&self) {
        self.subscription_executions.inc();
    }

    /// Observes the time from the commit of an event to its delivery to one subscriber.
    pub fn delivered(&self, lag: Duration) {
        self.fan_out_lag.observe(lag.as_secs_f64());
    }

    /// Counts the rows that a run of retention deleted.
    pub fn purged(&self, purged: &Purged) {
        for (kind, rows) in purged.counts() {
            self.purged.get_or_create(&PurgeLabels { kind: kind.label() }).inc_by(rows);
        }
    }

    /// Counts the requests to delete something at Twilio.
    pub fn carrier_deletions(&self, run: CarrierDeletions) {
        self.carrier_deletions.inc_by(run.done);
        self.failed_carrier_deletions.inc_by(run.postponed);
    }

    /// Counts a panic that was contained.
    pub fn panicked(&self, component: Component) {
        self.panics.get_or_create(&PanicLabels { component }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_names_beyond_the_limit_share_a_label() {
        let metrics = Metrics::new(Gauge::default(), Counter::default());
        assert_eq!(metrics.operation_label(None), "anonymous");
        for n in 0..MAX_OPERATION_NAMES {
            let name = format!("Operation{n}");
            assert_eq!(metrics.operation_label(Some(&name)), name);
        }
        assert_eq!(metrics.operation_label(Some("OneMore")), "other");
        assert_eq!(metrics.operation_label(Some("Operation0")), "Operation0");
        let long = "x".repeat(MAX_OPERATION_NAME_CHARS + 1);
        assert_eq!(Metrics::new(Gauge::default(), Counter::default()).operation_label(Some(&long)), "other");
    }
}
