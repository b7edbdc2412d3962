//! The metrics that the dashboard, the alerts and the operations guide name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::carrier::{carrier, deliver};
use crate::support::directory::DESK;
use crate::support::voice::{INBOUND, form};
use crate::support::{TestApp, wait};

/// The metrics named in a text, without the suffixes of counters and histograms.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, prefix) in text.match_indices("partyline_") {
        let name: String =
            text[at + prefix.len()..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let suffixes = ["_total", "_bucket", "_count", "_sum"];
        let base = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
        names.insert(base.to_owned());
    }
    names
}

async fn metrics(app: &TestApp) -> String {
    app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn every_metric_of_the_dashboard_and_the_alerts_exists() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    deliver(&carrier, app.address);
    let _workers = app.start_workers();
    let ben = app.token("acme", "ben");
    let mut socket = app.socket(&ben).await;
    socket.subscribe("1", "subscription { inboundMessage { message { body } } }", json!({})).await;
    app.text("+13035560001", DESK, "hello").await;
    socket.event().await;
    let thread = app.all_threads(&ben).await[0].clone();
    let send = "mutation Reply($id: ID!) {
        sendMessage(input: {threadId: $id, body: \"hello\", idempotencyKey: \"k\"}) { userErrors { code } } }";
    app.graphql(&ben, send, json!({"id": thread})).await;
    let invalid = format!("query Broken {{ {} }}", "nothing");
    app.graphql(&ben, &invalid, Value::Null).await;
    app.wait_until_none_pending().await;
    app.document(INBOUND, &form("CA1", &[])).await;
    wait::until("the receipts have arrived", || async {
        metrics(&app).await.contains("partyline_receipts_total").then_some(())
    })
    .await;
    let shown = metrics(&app).await;
    let exposed = named(&shown);
    for file in
        [include_str!("../../deploy/grafana-dashboard.json"), include_str!("../../deploy/prometheus-alerts.yml")]
    {
        let wanted = named(file);
        assert!(wanted.len() > 10, "{wanted:?}");
        // Requests that a limit rejects have a label each, which appears with the first one.
        let missing: Vec<_> = wanted.difference(&exposed).collect();
        assert!(missing.is_empty(), "{missing:?}\n{shown}");
    }
    for line in [
        "partyline_graphql_operation_duration_seconds_count{kind=\"Mutation\",operation=\"Reply\"} 1",
        "partyline_graphql_errors_total{operation=\"Broken\",code=\"GRAPHQL_VALIDATION_FAILED\"} 1",
        "partyline_send_attempts_total{outcome=\"accepted\"} 1",
        "partyline_fan_out_lag_seconds_count 1",
        "partyline_http_request_duration_seconds_count{method=\"POST\",route=\"/api/twilio/webhook\",status=\"200\"} 1",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}
