//! Renders the metrics as text.

use std::fmt;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::labels::{Component, LimitLabels, OutboxLabels, PanicLabels, TroubleLabels, WorkerLabels};
use crate::admission::Admission;
use crate::domain::{OutboxState, StoredEnum as _};
use crate::service::{Fault, Services};
use crate::store;

fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

impl Metrics {
    /// All metrics as text.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn render(&self, services: &Services, admission: &Admission) -> Result<String, Fault> {
        let mut registry = Registry::with_prefix("partyline");
        self.add_requests(&mut registry);
        add_writer(&mut registry, services);
        self.add_panics(&mut registry, services);
        self.add_workers(&mut registry);
        add_admission(&mut registry, admission);
        add_database(&mut registry, services).await?;
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(&mut text, &registry).unwrap_or_else(|fmt::Error| text.clear());
        Ok(text)
    }

    fn add_requests(&self, registry: &mut Registry) {
        registry.register("inbound_texts", "Requests to the text webhook, by outcome", self.texts.clone());
        registry.register("receipts", "Delivery receipts, by outcome", self.receipts.clone());
        registry.register("call_requests", "Voice webhook requests, by outcome", self.calls.clone());
        registry.register(
            "arrived_late",
            "Texts, calls and voicemails that were imported because their webhooks failed, by kind",
            self.late_arrivals.clone(),
        );
        registry.register("send_attempts", "Attempts to send a text, by outcome", self.sends.clone());
        registry.register("purged", "Rows that retention deleted, by kind", self.purged.clone());
        registry.register(
            "carrier_deletions",
            "Resources at Twilio that were deleted there or did not exist",
            self.carrier_deletions.clone(),
        );
        registry.register(
            "failed_carrier_deletions",
            "Requests to delete a resource at Twilio that are repeated later",
            self.failed_carrier_deletions.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time to respond to an HTTP request, by route and status",
            Unit::Seconds,
            self.http.clone(),
        );
        registry.register_with_unit(
            "graphql_operation_duration",
            "Time to execute a GraphQL operation, by operation name",
            Unit::Seconds,
            self.operations.clone(),
        );
        registry.register(
            "graphql_errors",
            "Errors in GraphQL responses, by operation name and code",
            self.operation_errors.clone(),
        );
        registry.register(
            "subscription_executions",
            "Executions of a subscription's document for an event; equal subscriptions share them",
            self.subscription_executions.clone(),
        );
        registry.register_with_unit(
            "fan_out_lag",
            "Time from the commit of an event to its delivery to one subscriber",
            Unit::Seconds,
            self.fan_out_lag.clone(),
        );
        registry.register("connections", "Open connections, including WebSockets", self.open_connections.clone());
        registry.register(
            "refused_connections",
            "Connections answered with 503 because too many were open",
            self.refused_connections.clone(),
        );
    }

    fn add_panics(&self, registry: &mut Registry, services: &Services) {
        let panics = Family::<PanicLabels, Counter>::default();
        for component in [Component::GraphQl, Component::Http, Component::Worker, Component::Writer] {
            let labels = PanicLabels { component };
            let count = match component {
                Component::Writer => services.writer.figures().panics.get(),
                _ => self.panics.get_or_create(&labels).get(),
            };
            panics.get_or_create(&labels).inc_by(count);
        }
        registry.register("panics", "Panics that were contained, by component", panics);
    }

    fn add_workers(&self, registry: &mut Registry) {
        let runs = Family::<WorkerLabels, Counter>::default();
        let failures = Family::<WorkerLabels, Counter>::default();
        let last_run = Family::<WorkerLabels, Gauge>::default();
        let last_success = Family::<WorkerLabels, Gauge>::default();
        let period = Family::<WorkerLabels, Gauge>::default();
        let timestamp = |at: Option<DateTime<Utc>>| at.map_or(0, |at| at.timestamp());
        for status in self.workers.all() {
            let (labels, history) = (WorkerLabels { worker: status.name }, status.history());
            runs.get_or_create(&labels).inc_by(history.runs);
            failures.get_or_create(&labels).inc_by(history.failures + history.panics);
            last_run.get_or_create(&labels).set(timestamp(history.last_run_at));
            last_success.get_or_create(&labels).set(timestamp(history.last_success_at));
            if let Some(seconds) = status.period.map(|period| period.as_secs()) {
                period.get_or_create(&labels).set(signed(seconds));
            }
        }
        registry.register("worker_runs", "Runs of a background task", runs);
        registry.register("worker_failures", "Runs of a background task that failed or panicked", failures);
        registry.register("worker_last_run_timestamp_seconds", "Unix time of the last run, 0 for none", last_run);
        registry.register(
            "worker_last_success_timestamp_seconds",
            "Unix time of the last successful run, 0 for none",
            last_success,
        );
        let help = "Pause between two runs of a background task; absent for tasks that wait for work";
        registry.register("worker_period_seconds", help, period);
    }
}

fn add_writer(registry: &mut Registry, services: &Services) {
    let figures = services.writer.figures();
    let depth = ConstGauge::new(signed(services.writer.queue_depth()));
    registry.register("writer_queue_depth", "Jobs in the writer's queues", depth);
    registry.register("writer_batch_size", "Jobs per committed transaction", figures.batch_size.clone());
    registry.register_with_unit(
        "writer_commit",
        "Time from the first statement of a batch to its commit",
        Unit::Seconds,
        figures.commit_seconds.clone(),
    );
    for (name, help, counter) in [
        ("writer_batches", "Transactions committed", &figures.batches),
        ("writer_direct_batches", "Transactions committed without SeaORM's driver", &figures.direct_batches),
        ("writer_items", "Jobs committed", &figures.items),
        ("writer_failed_batches", "Batches that the database failed to commit", &figures.failed_batches),
        ("writer_retried_batches", "Batches that were run again after a conflict", &figures.retried_batches),
        ("writer_halved_batches", "Batches that were split to isolate an item", &figures.halved_batches),
        ("writer_rejected_items", "Jobs that cannot be stored", &figures.rejected_items),
        ("writer_overloaded", "Jobs turned away because a queue was full", &figures.overloaded),
    ] {
        registry.register(name, help, counter.clone());
    }
    let help = "Pages in SQLite's write-ahead log at its last checkpoint, 0 on other databases";
    registry.register("writer_log_pages", help, figures.log_pages.clone());
}

fn add_admission(registry: &mut Registry, admission: &Admission) {
    let rejected = Family::<LimitLabels, Counter>::default();
    for (limit, count) in admission.figures().rejected() {
        rejected.get_or_create(&LimitLabels { limit }).inc_by(count);
    }
    registry.register("rejected_requests", "Requests rejected by a limit of users, agencies or addresses", rejected);
    registry.register("sockets", "Open WebSockets", ConstGauge::new(signed(admission.sockets())));
    registry.register("subscriptions", "Open subscriptions", ConstGauge::new(signed(admission.subscriptions())));
}

/// Metrics that are read from the database.
async fn add_database(registry: &mut Registry, services: &Services) -> Result<(), Fault> {
    let conn = services.reader();
    let quarantined = store::quarantine::count_held(conn).await?;
    registry.register("quarantined", "Texts held in quarantine", ConstGauge::new(signed(quarantined)));
    let outbox = Family::<OutboxLabels, Gauge>::default();
    for state in [OutboxState::Queued, OutboxState::Attempting, OutboxState::InDoubt] {
        let count = store::outbox::count(conn, state).await?;
        outbox.get_or_create(&OutboxLabels { state: state.as_str() }).set(signed(count));
    }
    registry.register("outbox", "Texts on their way to the carrier, by state", outbox);
    let oldest = store::outbox::oldest_due(conn).await?;
    let age = oldest.map_or(0, |due_at| (services.clock.now() - due_at).num_seconds().max(0));
    let help = "How long the oldest text in the outbox has been due";
    registry.register_with_unit("outbox_age", help, Unit::Seconds, ConstGauge::new(age));
    let open = store::account_trouble::open(conn).await?;
    let troubles = Family::<TroubleLabels, Gauge>::default();
    for trouble in store::account_trouble::ALL {
        let count = open.iter().filter(|open| **open == trouble).count();
        troubles.get_or_create(&TroubleLabels { trouble: trouble.as_str() }).set(signed(count));
    }
    registry.register("account_trouble", "Accounts that Twilio does not serve, by reason", troubles);
    let held = ConstGauge::new(i64::from(services.restore.is_held()));
    registry.register("sending_held", "1 while no text is sent because the database was restored", held);
    let statements = ConstCounter::new(services.database.statements());
    registry.register("read_statements", "SQL statements that read", statements);
    Ok(())
}
