//! First texts to contacts, and the choice of the sending number.

use serde_json::{Value, json};

use crate::support::directory::{DESK, EMPTY, NURSES};
use crate::support::{TestApp, Text};

const STRANGER: &str = "+13035569001";

fn number(payload: &Value) -> &Value {
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    &payload["thread"]["phoneNumber"]["e164"]
}

#[tokio::test]
async fn a_first_text_creates_a_contact_and_a_thread() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let sent = app.start_thread(&ben, STRANGER, json!({})).await;
    assert_eq!(number(&sent), DESK);
    assert_eq!(sent["message"]["status"], "QUEUED");
    assert_eq!((&sent["thread"]["status"], &sent["thread"]["assignee"]["key"]), (&json!("CLAIMED"), &json!("ben")));
    // A reply of the contact and a second first text use the same thread.
    app.receive(Text::new("SM1").from(STRANGER)).await;
    assert_eq!(json!(app.thread_of("SM1").await.id.to_string()), sent["thread"]["id"]);
    let again = app.start_thread(&ben, STRANGER, json!({"body": "another", "idempotencyKey": "second"})).await;
    assert_eq!(again["thread"]["id"], sent["thread"]["id"]);
    let chloe = app.token("acme", "chloe");
    let number = json!({"phoneNumberId": app.number_id("acme", DESK).await});
    assert_eq!(app.start_thread(&chloe, STRANGER, number).await["userErrors"][0]["code"], "NOT_ASSIGNEE");
    assert_eq!(app.contacts_at(app.agency("acme").await, STRANGER).await.len(), 1);
}

#[tokio::test]
async fn the_sending_number_is_the_last_used_then_the_primary_then_the_oldest() {
    let app = TestApp::start().await;
    let chloe = app.token("acme", "chloe");
    // Chloe's assignments are equally old and neither is primary, so the first one is used.
    let oldest = app.start_thread(&chloe, "+13035569002", json!({})).await;
    let oldest = number(&oldest).clone();
    let (primary, other) = if oldest == DESK { (NURSES, DESK) } else { (DESK, NURSES) };
    let pool = "[{user: chloe, primary: true}]";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{primary}\", pool: {pool}}}]}}]")).await;
    assert_eq!(number(&app.start_thread(&chloe, "+13035569003", json!({})).await), primary);
    // For a contact with an existing thread, its number is used.
    app.receive(Text::new("SM1").from("+13035569004").to(other)).await;
    assert_eq!(number(&app.start_thread(&chloe, "+13035569004", json!({})).await), other);
}

#[tokio::test]
async fn only_admins_text_from_numbers_of_other_pools() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    let code = |payload: Value| payload["userErrors"][0]["code"].clone();
    let of = async |number| json!({"phoneNumberId": app.number_id("acme", number).await});
    assert_eq!(code(app.start_thread(&ben, STRANGER, of(NURSES).await).await), "FORBIDDEN");
    assert_eq!(number(&app.start_thread(&ana, STRANGER, of(EMPTY).await).await), EMPTY);
    // Ana is in no pool.
    assert_eq!(code(app.start_thread(&ana, "+13035569005", json!({})).await), "INVALID");
    for to in ["13035550100", "88222", "TWILIO", ""] {
        assert_eq!(code(app.start_thread(&ben, to, json!({})).await), "INVALID", "{to}");
    }
    app.receive(Text::new("SM1").from("+13035569006").body("STOP")).await;
    assert_eq!(code(app.start_thread(&ben, "+13035569006", json!({})).await), "OPTED_OUT");
    // Refused requests create nothing.
    assert_eq!(app.contacts_at(app.agency("acme").await, "+13035569005").await.len(), 0);
    assert_eq!(app.outbound().await.len(), 1);
}
