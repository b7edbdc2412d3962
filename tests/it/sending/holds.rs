//! Held texts: canceled by a user, stopped by a message from the contact or another user, or sent when due.

use std::time::Duration;

use partyline::service::sending::{NextStep, begin_next_attempt};
use serde_json::{Value, json};

use crate::support::carrier::carrier;
use crate::support::directory::{DESK, NURSES};
use crate::support::{TestApp, Text, wait};

const CANCEL: &str = "mutation($id: ID!) { cancelMessage(input: {messageId: $id}) {
    message { status sendsAt failure { reason } } thread { needsReply answeredCount waitingSince revision }
    userErrors { code ... on TooLateError { status } } } }";

async fn cancel(app: &TestApp, user: &str, message: &Value) -> Value {
    let answer = app.graphql(&app.token("acme", user), CANCEL, json!({"id": message})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["cancelMessage"].clone()
}

/// Queues a text of a user that is held for some seconds. Returns its id.
async fn hold(app: &TestApp, user: &str, thread: &Value, body: &str, seconds: i32) -> Value {
    let payload = app.reply(&app.token("acme", user), thread, body, json!({"holdSeconds": seconds})).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["message"]["id"].clone()
}

async fn thread_with_text(app: &TestApp) -> Value {
    app.receive(Text::new("SM0")).await;
    json!(app.thread_of("SM0").await.id.to_string())
}

async fn message(app: &TestApp, id: &Value) -> Value {
    let query = "query($id: ID!) { node(id: $id) { ... on Message { status sendsAt failure { reason } } } }";
    app.graphql(&app.token("acme", "ana"), query, json!({"id": id})).await["data"]["node"].clone()
}

/// Lets all held texts become due, and waits until the outbox is empty.
async fn pass_holds(app: &TestApp) {
    app.clock.advance(Duration::from_secs(11));
    app.wait_until_none_pending().await;
}

#[tokio::test]
async fn a_held_text_is_sent_when_its_time_comes_and_not_before() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let thread = thread_with_text(&app).await;
    let _workers = app.start_workers();
    let id = hold(&app, "ben", &thread, "in five seconds", 5).await;
    let shown = json!({"status": "QUEUED", "sendsAt": "2026-11-23T15:00:05.000000Z", "failure": null});
    assert_eq!(message(&app, &id).await, shown);
    app.clock.advance(Duration::from_secs(4));
    assert!(carrier.ledger().is_empty());
    app.clock.advance(Duration::from_secs(2));
    wait::until("the carrier has the text", || async { (carrier.ledger().len() == 1).then_some(()) }).await;
    app.wait_until_none_pending().await;
    assert_eq!(message(&app, &id).await["sendsAt"], Value::Null);
    let late = cancel(&app, "ben", &id).await;
    assert_eq!((&late["message"], &late["userErrors"][0]["code"]), (&Value::Null, &json!("TOO_LATE")));
    assert!(["SENT", "DELIVERED"].contains(&late["userErrors"][0]["status"].as_str().unwrap()), "{late}");
}

#[tokio::test]
async fn a_canceled_text_is_never_sent_and_the_contact_waits_again() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let thread = thread_with_text(&app).await;
    let _workers = app.start_workers();
    let id = hold(&app, "ben", &thread, "never mind", 10).await;
    assert_eq!(cancel(&app, "chloe", &id).await["userErrors"][0]["code"], "NOT_ASSIGNEE");
    assert_eq!(cancel(&app, "dev", &id).await["userErrors"][0]["code"], "NOT_FOUND");
    let canceled = cancel(&app, "ben", &id).await;
    let failed = json!({"status": "FAILED", "sendsAt": null, "failure": {"reason": "CANCELED"}});
    assert_eq!((&canceled["message"], &canceled["userErrors"]), (&failed, &json!([])));
    let thread_now = &canceled["thread"];
    assert_eq!((&thread_now["needsReply"], &thread_now["answeredCount"]), (&json!(true), &json!(0)));
    assert_eq!(thread_now["waitingSince"], "2026-11-23T15:00:00.000000Z");
    assert_eq!(cancel(&app, "ben", &id).await, canceled, "repeating it changes nothing");
    pass_holds(&app).await;
    assert!(carrier.ledger().is_empty());
    assert!(app.notifications_of(&app.outbound().await[0]).await.is_empty(), "nobody is notified of a decision");
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_message_from_another_person_stops_a_held_text() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let policy = "mutation($number: ID!) { updatePool(input: {phoneNumberId: $number, policy: SHARED}) { userErrors { code } } }";
    let ana = app.token("acme", "ana");
    app.graphql(&ana, policy, json!({"number": app.number_id("acme", NURSES).await})).await;
    let _workers = app.start_workers();
    for (n, stopped_by) in ["the contact", "STOP", "a colleague"].into_iter().enumerate() {
        let from = format!("+1303556100{n}");
        app.receive(Text::new(format!("SM{n}")).from(&from).to(NURSES)).await;
        let thread = json!(app.thread_of(&format!("SM{n}")).await.id.to_string());
        let mine = hold(&app, "chloe", &thread, &format!("mine {n}"), 10).await;
        let mine_too = hold(&app, "chloe", &thread, &format!("mine too {n}"), 10).await;
        let next = match stopped_by {
            "the contact" => Text::new(format!("SMnext{n}")).body("one more question"),
            _ => Text::new(format!("SMnext{n}")).body("STOP"),
        };
        if stopped_by == "a colleague" {
            hold(&app, "dev", &thread, "I answer this one", 0).await;
        } else {
            app.receive(next.from(&from).to(NURSES)).await;
        }
        for id in [&mine, &mine_too] {
            let stopped = message(&app, id).await;
            let expected = json!({"status": "FAILED", "sendsAt": null, "failure": {"reason": "STALE_VIEW"}});
            assert_eq!(stopped, expected, "{stopped_by}");
        }
        let query = "query($id: ID!) { node(id: $id) { ... on Thread { needsReply inboundCount answeredCount } } }";
        let shown = app.graphql(&ana, query, json!({"id": thread})).await["data"]["node"].clone();
        let waits = stopped_by != "a colleague";
        assert_eq!(shown["needsReply"], waits, "{stopped_by}: {shown}");
    }
    pass_holds(&app).await;
    let sent: Vec<String> = carrier.ledger().into_iter().map(|text| text.body).collect();
    assert_eq!(sent, ["I answer this one"]);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn held_texts_survive_a_restart() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let thread = thread_with_text(&app).await;
    let kept = hold(&app, "ben", &thread, "kept", 10).await;
    let canceled = hold(&app, "ben", &thread, "canceled", 10).await;
    cancel(&app, "ben", &canceled).await;
    let app = app.restart().await;
    assert_eq!(message(&app, &kept).await["status"], "QUEUED");
    let _workers = app.start_workers();
    pass_holds(&app).await;
    let sent: Vec<String> = carrier.ledger().into_iter().map(|text| text.body).collect();
    assert_eq!(sent, ["kept"]);
}

#[tokio::test]
async fn the_length_of_a_hold_is_limited() {
    let app = TestApp::start().await;
    let thread = thread_with_text(&app).await;
    for seconds in [-1, 11] {
        let key = json!({"holdSeconds": seconds, "idempotencyKey": seconds.to_string()});
        let refused = app.reply(&app.token("acme", "ben"), &thread, "hello", key).await["userErrors"].clone();
        assert_eq!((&refused[0]["code"], &refused[0]["path"]), (&json!("INVALID"), &json!(["input", "holdSeconds"])));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: part of `make test-full`"]
async fn a_text_is_either_sent_or_canceled() {
    const RACES: usize = 500;
    let app = std::sync::Arc::new(TestApp::start().await);
    let pace = format!("phoneNumbers: [{{number: '{DESK}', pace: {{perSecond: 1000, burst: 1000}}}}]");
    app.apply(&format!("agencies: [{{key: acme, {pace}}}]")).await;
    let thread = thread_with_text(&app).await;
    let (agency, number) = (app.agency("acme").await, app.number_id("acme", DESK).await.parse().unwrap());
    let (mut sent, mut canceled) = (0, 0);
    for n in 0..RACES {
        let id = hold(&app, "ben", &thread, &format!("text {n}"), 1).await;
        app.clock.advance(Duration::from_secs(2));
        let attempt = {
            let app = std::sync::Arc::clone(&app);
            tokio::spawn(async move { begin_next_attempt(app.services(), agency, number).await.unwrap() })
        };
        // Each side has the head start in half of the races.
        if n % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let answer = cancel(&app, "ben", &id).await;
        let began = matches!(attempt.await.unwrap(), NextStep::Send(_));
        let was_canceled = answer["userErrors"] == json!([]);
        assert!(began != was_canceled, "race {n}: began {began}, {answer}");
        let status = message(&app, &id).await["status"].clone();
        assert_eq!(status, if began { json!("SENDING") } else { json!("FAILED") }, "race {n}");
        if began {
            sent += 1;
            // The attempt does not go on in this test; its text must not block the next one of the thread.
            let (query, sid) = (format!("?agency={agency}&message={}", id.as_str().unwrap()), format!("SMrace{n}"));
            app.receipt(&query, &[("MessageSid", &sid), ("MessageStatus", "delivered")]).await;
        } else {
            canceled += 1;
        }
    }
    assert!(app.outbox().await.is_empty());
    assert!(sent > 0 && canceled > 0, "{sent} sent, {canceled} canceled");
    app.assert_logs_are_gapless().await;
}

async fn resend(app: &TestApp, user: &str, message: &Value, key: &str) -> Value {
    let document = "mutation($id: ID!, $key: String!) { resendMessage(input: {messageId: $id, idempotencyKey: $key}) {
        message { id } thread { needsReply } userErrors { code } } }";
    let answer = app.graphql(&app.token("acme", user), document, json!({"id": message, "key": key})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["resendMessage"].clone()
}

#[tokio::test]
async fn a_stopped_text_can_be_sent_again_once() {
    let app = TestApp::start().await;
    let thread = thread_with_text(&app).await;
    let stopped = hold(&app, "ben", &thread, "too early", 10).await;
    app.receive(Text::new("SM1").body("one more question")).await;
    assert_eq!(resend(&app, "ben", &stopped, "one").await["userErrors"], json!([]));
    assert_eq!(message(&app, &stopped).await["failure"]["reason"], "RESENT");
    for (user, key) in [("ben", "two"), ("ana", "three")] {
        assert_eq!(resend(&app, user, &stopped, key).await["userErrors"], json!([{"code": "CONFLICT"}]), "{user}");
    }
    assert_eq!(app.outbound().await.len(), 2);
}

#[tokio::test]
async fn a_text_that_was_sent_again_does_not_count_as_an_answer() {
    let app = TestApp::start().await;
    let thread = thread_with_text(&app).await;
    let first = hold(&app, "ben", &thread, "never mind", 10).await;
    cancel(&app, "ben", &first).await;
    let again = resend(&app, "ben", &first, "again").await;
    assert_eq!(again["thread"]["needsReply"], false);
    let canceled = cancel(&app, "ben", &again["message"]["id"]).await;
    assert_eq!((&canceled["userErrors"], &canceled["thread"]["needsReply"]), (&json!([]), &json!(true)));
}

#[tokio::test]
async fn a_canceled_text_does_not_refuse_the_text_of_a_colleague() {
    let app = TestApp::start().await;
    let policy = "mutation($number: ID!) { updatePool(input: {phoneNumberId: $number, policy: SHARED}) { userErrors { code } } }";
    app.graphql(&app.token("acme", "ana"), policy, json!({"number": app.number_id("acme", NURSES).await})).await;
    app.receive(Text::new("SM0").to(NURSES)).await;
    let (thread, seen) = (app.thread_of("SM0").await.id.to_string(), app.message("SM0").await.id.to_string());
    let canceled = hold(&app, "chloe", &json!(thread), "never mind", 10).await;
    let more = json!({"lastSeenMessageId": seen});
    let refused = app.reply(&app.token("acme", "dev"), &json!(thread), "hello", more.clone()).await;
    assert_eq!(refused["userErrors"][0]["code"], "STALE_VIEW");
    cancel(&app, "chloe", &canceled).await;
    let sent = app.reply(&app.token("acme", "dev"), &json!(thread), "hello", more).await;
    assert_eq!(sent["userErrors"], json!([]));
}
