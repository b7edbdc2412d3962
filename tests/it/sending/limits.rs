//! Limits of the number of texts that users may send, and of the phones that they may text.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::directory::{DESK, OTHER, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::{TestApp, Text};

const DAY: u64 = 24 * 3600;
const SEND: &str = include_str!("../documents/sending_limits_send.graphql");

async fn start(settings: &[(&'static str, &str)]) -> TestApp {
    let app =
        TestApp::start_with_settings(settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()).await;
    app.receive(Text::new("SM1")).await;
    app
}

async fn thread(app: &TestApp) -> Value {
    json!(app.thread_of("SM1").await.id.to_string())
}

/// The `userErrors` of a reply.
async fn send(app: &TestApp, token: &SecretString, thread: &Value, key: &str) -> Value {
    let input = json!({"threadId": thread, "body": "hello", "idempotencyKey": key});
    let mut answer = app.graphql(token, SEND, json!({"input": input})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["sendMessage"]["userErrors"].take()
}

fn assert_limited(refusals: &Value, seconds: u64) {
    let refusal = &refusals[0];
    assert_eq!(
        (&refusal["__typename"], &refusal["code"]),
        (&json!("LimitExceededError"), &json!("LIMIT_EXCEEDED")),
        "{refusals}"
    );
    assert_eq!(refusal["retryAfterSeconds"], seconds, "{refusals}");
}

#[tokio::test]
async fn a_user_has_a_daily_limit_of_texts_and_gets_a_retry_time() {
    let app = start(&[("PARTYLINE_USER_TEXTS", "2")]).await;
    let (ana, ben, thread) = (app.token("acme", "ana"), app.token("acme", "ben"), thread(&app).await);
    assert_eq!(send(&app, &ana, &thread, "1").await, json!([]));
    app.clock.advance(Duration::from_secs(600));
    assert_eq!(send(&app, &ana, &thread, "2").await, json!([]));
    assert_eq!(send(&app, &ana, &thread, "2").await, json!([]), "a repeated request does not count");
    assert_limited(&send(&app, &ana, &thread, "3").await, DAY - 600);
    let desk = json!({"phoneNumberId": app.number_id("acme", DESK).await});
    let first = app.start_thread(&ana, "+13035569001", desk).await;
    assert_eq!(first["userErrors"][0]["code"], "LIMIT_EXCEEDED");
    assert!(app.contacts_at(app.agency("acme").await, "+13035569001").await.is_empty());
    assert_eq!(app.outbound().await.len(), 2);
    let other = app.start_thread(&ben, "+13035569002", json!({})).await;
    assert_eq!(other["userErrors"], json!([]), "another user is not affected");
    app.clock.advance(Duration::from_secs(DAY - 600));
    let ana = app.token("acme", "ana");
    assert_eq!(send(&app, &ana, &thread, "4").await, json!([]));
}

#[tokio::test]
async fn the_users_of_an_agency_share_a_limit_and_other_agencies_do_not() {
    let app = start(&[("PARTYLINE_AGENCY_TEXTS", "2")]).await;
    app.receive(Text::new("SM2").account(OTHER_ACCOUNT, OTHER_TOKEN).to(OTHER)).await;
    let desk = json!({"phoneNumberId": app.number_id("acme", DESK).await});
    for (user, to) in [("ana", "+13035569001"), ("ben", "+13035569002")] {
        assert_eq!(app.start_thread(&app.token("acme", user), to, desk.clone()).await["userErrors"], json!([]));
    }
    assert_limited(&send(&app, &app.token("acme", "ana"), &thread(&app).await, "1").await, DAY);
    let theirs = json!(app.thread_of("SM2").await.id.to_string());
    assert_eq!(send(&app, &app.token("other", "olga"), &theirs, "1").await, json!([]));
}

#[tokio::test]
async fn of_two_simultaneous_texts_one_is_within_the_limit() {
    let app = start(&[("PARTYLINE_USER_TEXTS", "3")]).await;
    let (ana, thread) = (app.token("acme", "ana"), thread(&app).await);
    let keys: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let refusals = join_all(keys.iter().map(|key| send(&app, &ana, &thread, key))).await;
    assert_eq!(refusals.iter().filter(|refusals| **refusals == json!([])).count(), 3, "{refusals:?}");
    assert_eq!(app.outbound().await.len(), 3);
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn the_number_of_a_users_queued_texts_per_number_is_limited() {
    let app = start(&[]).await;
    let (ana, ben, thread) = (app.token("acme", "ana"), app.token("acme", "ben"), thread(&app).await);
    for n in 0..300 {
        assert_eq!(send(&app, &ana, &thread, &n.to_string()).await, json!([]), "{n}");
    }
    assert_limited(&send(&app, &ana, &thread, "300").await, 10);
    let other = app.start_thread(&ben, "+13035569002", json!({})).await;
    assert_eq!(other["userErrors"], json!([]), "another user is not affected");
}

#[tokio::test]
async fn phones_that_may_not_be_called_may_not_be_texted_first() {
    let app = start(&[]).await;
    let ana = app.token("acme", "ana");
    let desk = app.number_id("acme", DESK).await;
    let not_texted =
        ["+19005550123", "+881612345678", "+447012345678", "+4930123456", "+18765550123", "+911", "+1303556"];
    for to in not_texted {
        let payload = app.start_thread(&ana, to, json!({"phoneNumberId": desk})).await;
        let refusal = &payload["userErrors"][0];
        assert_eq!(
            (&refusal["code"], &refusal["path"]),
            (&json!("INVALID"), &json!(["input", "to"])),
            "{to}: {payload}"
        );
        assert!(app.contacts_at(app.agency("acme").await, to).await.is_empty(), "{to}");
    }
    app.apply("agencies: [{key: acme, callingCountries: [US, DE]}]").await;
    let payload = app.start_thread(&ana, "+4930123456", json!({"phoneNumberId": desk})).await;
    assert_eq!(payload["userErrors"], json!([]));
    // Contacts who text first can be replied to.
    app.receive(Text::new("SM9").from("+18765550123")).await;
    assert_eq!(send(&app, &ana, &json!(app.thread_of("SM9").await.id.to_string()), "reply").await, json!([]));
}

#[tokio::test]
async fn a_stop_from_a_phone_that_may_not_be_called_is_stored_without_a_reply() {
    let app = start(&[]).await;
    app.apply("agencies: [{key: acme, optOutReplies: PARTYLINE}]").await;
    for (n, from) in ["+881612345678", "+19005550123", "+4930123456"].into_iter().enumerate() {
        app.receive(Text::new(format!("SMstop{n}")).from(from).body("STOP")).await;
        app.receive(Text::new(format!("SMhelp{n}")).from(from).body("HELP")).await;
        let contact = app.contacts_at(app.agency("acme").await, from).await.pop().unwrap();
        assert!(contact.opted_out_at.is_some(), "{from}");
    }
    assert!(app.outbound().await.is_empty());
    app.receive(Text::new("SMstop").body("STOP")).await;
    assert_eq!(app.outbound().await.len(), 1);
}
