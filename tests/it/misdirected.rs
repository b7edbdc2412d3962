//! Misconfigured webhook URLs: no receipt becomes a text, and no text is lost.

use partyline::domain::{MessageStatus, QuarantineReason, QuarantineState, RoutingRung};
use partyline::service::RefusalCode;
use partyline::service::quarantine::assign_as_operator;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::directory::{ACCOUNT, DESK, NURSES};
use crate::support::{TestApp, Text, refusal};

const CARLA: &str = "+13035560001";

/// A status callback for a text from the front desk, signed for the URL of inbound texts.
fn receipt(sid: &str, status: &str) -> Text {
    let form = Text::new(sid).from(DESK).to(CARLA).without("Body").without("NumMedia");
    form.field("MessageStatus", status).field("SmsStatus", status)
}

#[tokio::test]
async fn a_receipt_at_the_url_of_texts_is_processed_as_a_receipt() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let ben = app.token("acme", "ben");
    let thread = json!(app.thread_of("SM1").await.id.to_string());
    app.reply(&ben, &thread, "hello", json!({})).await;
    let sent = app.outbound().await.remove(0);
    let query = crate::support::outbound::receipt_query(&sent);
    assert_eq!(app.receipt(&query, &[("MessageSid", "SMout"), ("MessageStatus", "sent")]).await, StatusCode::OK);
    let before = app.message_count().await;
    app.receive(receipt("SMout", "delivered")).await;
    assert_eq!(app.outbound().await[0].status, MessageStatus::Delivered);
    assert_eq!(app.message_count().await, before);
    assert!(app.quarantined().await.is_empty());
}

#[tokio::test]
async fn a_receipt_without_a_matching_text_is_held_once_and_is_not_a_text() {
    let app = TestApp::start().await;
    // Including one between two of this server's numbers, and one with an unknown status.
    let forms = [
        receipt("SMx", "sent"),
        receipt("SMx", "delivered"),
        receipt("SMy", "delivered").to(NURSES),
        receipt("SMz", "partially_delivered"),
    ];
    for form in forms {
        app.receive(form).await;
    }
    let held = app.quarantined().await;
    let sids: Vec<_> = held.iter().map(|row| row.provider_sid.as_str()).collect();
    assert_eq!(sids, ["SMx", "SMy", "SMz"]);
    for row in &held {
        assert_eq!((row.reason, row.to_address.as_str()), (QuarantineReason::Refused, DESK));
        assert_eq!(row.agency_id, Some(app.agency("acme").await), "the agency of the number in From");
    }
    assert_eq!(app.message_count().await, 0);
    assert!(app.threads(app.agency("acme").await).await.is_empty());
    // Like other forms in quarantine, they need a decision of an admin, who is notified once.
    let kinds = "{ notifications { nodes { kind quarantinedMessage { messageSid } } } }";
    let notified = app.graphql(&app.token("acme", "ana"), kinds, json!({})).await;
    let first = json!([{"kind": "QUARANTINED", "quarantinedMessage": {"messageSid": "SMx"}}]);
    assert_eq!(notified["data"]["notifications"]["nodes"], first);
    // An operator cannot assign it as a text either.
    let refused = refusal(assign_as_operator(app.services(), held[0].id, DESK).await);
    assert_eq!(refused.code, RefusalCode::Invalid);
    assert_eq!(app.quarantined().await[0].state, QuarantineState::Held);
}

#[tokio::test]
async fn a_text_at_the_url_of_receipts_is_received() {
    let app = TestApp::start().await;
    let fields = [
        ("MessageSid", "SM1"),
        ("SmsStatus", "received"),
        ("AccountSid", ACCOUNT),
        ("From", CARLA),
        ("To", DESK),
        ("Body", "hello"),
        ("NumMedia", "0"),
    ];
    for _ in 0..2 {
        assert_eq!(app.receipt("", &fields).await, StatusCode::OK);
    }
    let message = app.message("SM1").await;
    assert_eq!((message.body.as_str(), message.routed_by), ("hello", Some(RoutingRung::Pool)));
    assert_eq!(app.notifications_of(&message).await.len(), 2);
    // Without a recipient, the form is invalid.
    let unaddressed: Vec<_> = fields.into_iter().filter(|(name, _)| *name != "To").collect();
    assert_eq!(app.receipt("", &unaddressed).await, StatusCode::BAD_REQUEST);
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("partyline_inbound_texts_total{outcome=\"Stored\"} 1"), "{metrics}");
}
