//! A phone rings only after its user has verified it.

use std::time::Duration;

use serde_json::{Value, json};

use super::flow::start;
use crate::support::carrier::carrier;
use crate::support::directory::DESK;
use crate::support::{TestApp, Text};

const NEW: &str = "+13035550199";
const BEGIN: &str = include_str!("../documents/calls_verification_begin.graphql");
const CONFIRM: &str = include_str!("../documents/calls_verification_confirm.graphql");

async fn ask(app: &TestApp, query: &str, variables: Value) -> Value {
    ask_as(app, "ben", query, variables).await
}

async fn ask_as(app: &TestApp, user: &str, query: &str, variables: Value) -> Value {
    let mut answer = app.graphql(&app.token("acme", user), query, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    let data = answer["data"].as_object_mut().unwrap();
    data.values_mut().next().unwrap().take()
}

#[tokio::test]
async fn confirming_a_texted_code_makes_the_phone_ring() {
    let carrier = carrier();
    let app = start(&carrier).await;
    assert_eq!(ask(&app, BEGIN, json!({"phone": NEW})).await["userErrors"], json!([]));
    let text = carrier.ledger().pop().unwrap().body;
    let code = text.split(' ').next().unwrap().to_owned();
    assert_eq!(code.len(), 6);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(ask(&app, CONFIRM, json!({"code": wrong})).await["userErrors"][0]["code"], "INVALID");
    let before = app.directory("acme").await.user_by_key("ben").unwrap().phone.clone();
    assert_ne!(before.as_deref(), Some(NEW));
    let payload = ask(&app, CONFIRM, json!({"code": code})).await;
    assert_eq!(payload["user"], json!({"phone": NEW, "phoneVerified": true}));
    assert_eq!(ask(&app, CONFIRM, json!({"code": code})).await["userErrors"][0]["code"], "INVALID", "once");
    assert!(app.outbound().await.is_empty(), "the code's text belongs to no thread");
}

#[tokio::test]
async fn codes_expire_and_are_limited_to_five_attempts_and_five_texts_an_hour() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let code = async || {
        assert_eq!(ask(&app, BEGIN, json!({"phone": NEW})).await["userErrors"], json!([]));
        carrier.ledger().pop().unwrap().body.split(' ').next().unwrap().to_owned()
    };
    let first = code().await;
    app.clock.advance(Duration::from_secs(600));
    assert_eq!(ask(&app, CONFIRM, json!({"code": first})).await["userErrors"][0]["code"], "INVALID", "too late");
    let second = code().await;
    for _ in 0..5 {
        ask(&app, CONFIRM, json!({"code": "nonsense"})).await;
    }
    assert_eq!(
        ask(&app, CONFIRM, json!({"code": second})).await["userErrors"][0]["code"],
        "INVALID",
        "too many guesses"
    );
    for _ in 0..3 {
        code().await;
    }
    let refused = ask(&app, BEGIN, json!({"phone": NEW})).await;
    assert_eq!(refused["userErrors"][0]["code"], "LIMIT_EXCEEDED");
    app.clock.advance(Duration::from_secs(3600));
    let last = code().await;
    assert_eq!(ask(&app, CONFIRM, json!({"code": last})).await["userErrors"], json!([]));
}

#[tokio::test]
async fn phones_that_may_not_be_dialed_cannot_be_verified() {
    let carrier = carrier();
    let app = start(&carrier).await;
    for phone in [DESK, "911", "+911", "+19005550123", "+4930123456", "", "101"] {
        let payload = ask(&app, BEGIN, json!({"phone": phone})).await;
        assert_eq!(payload["userErrors"], json!([{"code": "INVALID", "path": ["input", "phone"]}]), "{phone}");
    }
    // A phone that opted out as a contact is not texted either.
    app.receive(Text::new("SM1").from(NEW).body("STOP")).await;
    assert_eq!(ask(&app, BEGIN, json!({"phone": NEW})).await["userErrors"][0]["code"], "OPTED_OUT");
    assert!(carrier.ledger().is_empty());
}

#[tokio::test]
async fn codes_are_limited_per_user_and_per_phone_and_a_confirmation_does_not_reset_the_limit() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let begin = async |user: &str, phone: &str| {
        let payload = ask_as(&app, user, BEGIN, json!({"phone": phone})).await;
        payload["userErrors"][0]["code"].as_str().map(str::to_owned)
    };
    let limit = Some("LIMIT_EXCEEDED".to_owned());
    for n in 0..5 {
        assert_eq!(begin("ben", NEW).await, None, "code {n}");
        let code = carrier.ledger().pop().unwrap().body.split(' ').next().unwrap().to_owned();
        assert_eq!(ask(&app, CONFIRM, json!({"code": code})).await["userErrors"], json!([]));
    }
    assert_eq!(begin("ben", NEW).await, limit, "for this user");
    assert_eq!(begin("ben", "+13035550198").await, limit, "for this user, whatever the phone");
    assert_eq!(begin("chloe", NEW).await, limit, "for this phone, whatever the user");
    assert_eq!(begin("chloe", "+13035550198").await, None);
    app.clock.advance(Duration::from_secs(3600));
    assert_eq!(begin("chloe", NEW).await, None);
}

#[tokio::test]
async fn a_phone_that_the_carrier_blocks_is_not_texted_a_code() {
    let carrier = carrier();
    let app = start(&carrier).await;
    app.receive(Text::new("SM1").from(NEW).body("hello")).await;
    let thread = json!(app.thread_of("SM1").await.id.to_string());
    app.reply(&app.token("acme", "ben"), &thread, "hi", json!({})).await;
    let message = app.outbound().await.pop().unwrap();
    let sid = message.provider_sid.as_deref().unwrap_or("SMx");
    let blocked = [("MessageSid", sid), ("MessageStatus", "failed"), ("ErrorCode", "21610")];
    let named = format!("?agency={}&message={}", message.agency_id, message.id);
    assert_eq!(app.receipt(&named, &blocked).await, reqwest::StatusCode::OK);
    assert_eq!(ask(&app, BEGIN, json!({"phone": NEW})).await["userErrors"][0]["code"], "OPTED_OUT");
}
