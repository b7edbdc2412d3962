//! `/metrics`, in OpenMetrics text. Nothing here ever holds a client's data.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text::encode};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use crate::admission::Admission;
use crate::domain::{OutboxState, Word as _};
use crate::service::{Fault, Services};
use crate::store;

/// What became of a request to the text webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum TextOutcome {
    /// It stands in a thread.
    Stored,
    /// It was there already.
    Duplicate,
    /// It fitted no number.
    Quarantined,
    /// It was no authentic text.
    Refused,
    /// It could not be stored; Twilio was told to send it again.
    Failed,
}

/// What became of a delivery receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ReceiptOutcome {
    /// What it says is stored, or was known.
    Taken,
    /// It was no authentic receipt.
    Refused,
    /// It could not be stored; Twilio was told to send it again.
    Failed,
}

/// What became of a request about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum CallOutcome {
    /// It was answered with a document.
    Answered,
    /// It was no authentic request about a call.
    Refused,
    /// It could not be answered.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    outcome: CallOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceiptLabels {
    outcome: ReceiptOutcome,
}

/// In which state of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutboxLabels {
    state: &'static str,
}

/// Why Twilio does not serve an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TroubleLabels {
    trouble: &'static str,
}

/// Which limit rejected a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TextLabels {
    outcome: TextOutcome,
}

/// What this process counts beside the writer.
#[derive(Debug)]
pub struct Metrics {
    open_connections: Gauge,
    refused_connections: Counter,
    texts: Family<TextLabels, Counter>,
    receipts: Family<ReceiptLabels, Counter>,
    calls: Family<CallLabels, Counter>,
}

impl Metrics {
    /// Nothing is counted yet, except what the server counts of connections.
    pub fn new(open_connections: Gauge, refused_connections: Counter) -> Self {
        let (texts, receipts, calls) = (Family::default(), Family::default(), Family::default());
        Self { open_connections, refused_connections, texts, receipts, calls }
    }

    /// Counts a request to the text webhook.
    pub fn text(&self, outcome: TextOutcome) {
        self.texts.get_or_create(&TextLabels { outcome }).inc();
    }

    /// Counts a delivery receipt.
    pub fn receipt(&self, outcome: ReceiptOutcome) {
        self.receipts.get_or_create(&ReceiptLabels { outcome }).inc();
    }

    /// Counts a request about a call.
    pub fn call(&self, outcome: CallOutcome) {
        self.calls.get_or_create(&CallLabels { outcome }).inc();
    }

    /// Everything, as text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn render(&self, services: &Services, admission: &Admission) -> Result<String, Fault> {
        let quarantined = store::quarantine::count_held(services.reader()).await?;
        let mut registry = Registry::with_prefix("partyline");
        registry.register("inbound_texts", "Requests to the text webhook, by outcome", self.texts.clone());
        registry.register(
            "quarantined",
            "Texts held in quarantine",
            ConstGauge::new(i64::try_from(quarantined).unwrap_or(i64::MAX)),
        );
        registry.register("receipts", "Delivery receipts, by outcome", self.receipts.clone());
        registry.register("call_requests", "Requests about calls, by outcome", self.calls.clone());
        let outbox = Family::<OutboxLabels, Gauge>::default();
        for state in [OutboxState::Queued, OutboxState::Attempting, OutboxState::InDoubt] {
            let count = store::outbox::count(services.reader(), state).await?;
            let labels = OutboxLabels { state: state.as_str() };
            outbox.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register("outbox", "Texts on their way to the carrier, by state", outbox);
        let open = store::account_trouble::open(services.reader()).await?;
        let troubles = Family::<TroubleLabels, Gauge>::default();
        for trouble in store::account_trouble::ALL {
            let count = open.iter().filter(|open| **open == trouble).count();
            let labels = TroubleLabels { trouble: trouble.as_str() };
            troubles.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register("account_trouble", "Twilio accounts that Twilio does not serve, by reason", troubles);
        registry.register("connections", "Open connections, WebSockets among them", self.open_connections.clone());
        registry.register(
            "refused_connections",
            "Connections answered with 503 because too many were open",
            self.refused_connections.clone(),
        );
        let rejected = Family::<LimitLabels, Counter>::default();
        for (limit, count) in admission.figures().rejected() {
            rejected.get_or_create(&LimitLabels { limit }).inc_by(count);
        }
        registry.register(
            "rejected_requests",
            "Requests rejected by a limit of users, agencies or addresses",
            rejected,
        );
        for (name, help, count) in [
            ("sockets", "Open WebSockets", admission.sockets()),
            ("subscriptions", "Open subscriptions", admission.subscriptions()),
        ] {
            registry.register(name, help, ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)));
        }
        let held = i64::from(services.restore.is_held());
        registry.register(
            "sending_held",
            "1 while no text is sent because the database was restored",
            ConstGauge::new(held),
        );
        let waiting = i64::try_from(services.writer.waiting()).unwrap_or(i64::MAX);
        registry.register("writer_waiting", "Pieces of work in the writer's queues", ConstGauge::new(waiting));
        let counts = services.writer.figures().counts();
        for (name, help, value) in [
            ("read_statements", "SQL statements that read", services.database.statements()),
            ("writer_batches", "Transactions committed", counts.batches),
            ("writer_items", "Pieces of work committed", counts.items),
            ("writer_failed_batches", "Batches that the database failed to commit", counts.failed_batches),
            ("writer_refused_items", "Pieces of work that the database refused", counts.refused_items),
            ("writer_overloaded", "Pieces of work turned away because a queue was full", counts.overloaded),
        ] {
            registry.register(name, help, ConstCounter::new(value));
        }
        #[expect(clippy::cast_precision_loss, reason = "a counter of seconds for a graph")]
        let busy = counts.busy_microseconds as f64 / 1e6;
        registry.register_with_unit("writer_busy", "Time spent committing", Unit::Seconds, ConstCounter::new(busy));
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(&mut text, &registry).unwrap_or_else(|fmt::Error| text.clear());
        Ok(text)
    }
}
