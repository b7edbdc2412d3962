//! Attempts to send through the carrier, and their possible failures.

use std::time::Duration;

use partyline::domain::{MessageStatus, NotificationKind, OutboxState};
use partyline::entity::message;
use partyline::ports::Clock as _;
use partyline::service::sending::{begin_next_attempt, mark_interrupted_attempts, resolve_unknown_texts};
use partyline_simulator::{Fault, Match, Simulator};
use serde_json::{Value, json};

use crate::support::carrier::carrier;
use crate::support::directory::DESK;
use crate::support::{TestApp, Text, wait};

async fn app_with_thread(carrier: &Simulator) -> (TestApp, Value) {
    let app = TestApp::start_with_carrier(carrier).await;
    app.receive(Text::new("SM0")).await;
    let thread = app.all_threads(&app.token("acme", "ben")).await[0].clone();
    (app, thread)
}

async fn send_text(app: &TestApp, thread: &Value, body: &str) {
    let ben = app.token("acme", "ben");
    assert_eq!(app.reply(&ben, thread, body, json!({})).await["userErrors"], json!([]));
}

#[tokio::test]
async fn a_reply_reaches_the_phone_and_its_status_callbacks_arrive() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    let _workers = app.start_workers();
    send_text(&app, &thread, "see you at ten").await;
    let sent = app.wait_until_all("the text is delivered", |message| message.status == MessageStatus::Delivered).await;
    let ledger = carrier.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!((ledger[0].body.as_str(), Some(&ledger[0].sid)), ("see you at ten", sent[0].provider_sid.as_ref()));
    assert_eq!(carrier.phone("+13035560001")[0].body, "see you at ten");
    assert!(app.outbox().await.is_empty());
    app.assert_logs_are_gapless().await;
}

/// On shutdown, the server waits for the outcome of attempts in progress and starts no others.
#[tokio::test]
async fn an_attempt_in_progress_finishes_before_the_shutdown() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    // A status callback would settle the first text and release the second.
    carrier.map_origin(unreachable_webhooks());
    let workers = app.start_workers();
    carrier.set_fault(Fault::Slow { seconds: 3600 }, Match::any());
    for body in ["on its way", "waits"] {
        send_text(&app, &thread, body).await;
    }
    wait::until("the carrier has received the first text", || async { (carrier.ledger().len() == 1).then_some(()) })
        .await;
    let mut stopping = Box::pin(workers.stop(Duration::from_secs(60)));
    assert!(futures_util::poll!(&mut stopping).is_pending());
    // The request times out, and the unknown outcome is recorded before the server stops.
    app.clock.advance(Duration::from_secs(11));
    wait::within("the workers stop", stopping).await;
    let sent = app.outbound().await;
    assert_eq!(sent[0].status, MessageStatus::Unknown);
    let waiting = app.outbox().await.pop().unwrap();
    assert_eq!((waiting.message_id, waiting.state, waiting.attempts), (sent[1].id, OutboxState::Queued, 0));
    assert_eq!(carrier.ledger().len(), 1);
}

/// The final status after each fault of the carrier.
#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn no_fault_sends_a_text_twice_or_loses_it() {
    use MessageStatus::{Delivered, Failed, Sent, Undelivered};
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let pace = "pace: {perSecond: 100, burst: 100}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", {pace}}}]}}]")).await;
    let _workers = app.start_workers();
    let ben = app.token("acme", "ben");
    let faults = [
        (Fault::DropAfterAccepting, Delivered, 1),
        (Fault::ErrorAfterAccepting, Delivered, 1),
        (Fault::TooManyRequests { seconds: 2 }, Delivered, 1),
        (Fault::Slow { seconds: 0 }, Delivered, 1),
        (Fault::Reject { code: 21211 }, Failed, 0),
        (Fault::Undelivered { code: 30005 }, Undelivered, 1),
        (Fault::Failed { code: 30008 }, Failed, 1),
        (Fault::CallbacksLost, Sent, 1),
        (Fault::CallbacksDuplicated, Delivered, 1),
        (Fault::CallbacksReordered, Delivered, 1),
        (Fault::CallbackFirst, Delivered, 1),
    ];
    for (n, (fault, expected, carried)) in faults.into_iter().enumerate() {
        let (sid, phone) = (format!("SM{n}"), format!("+1303557{n:04}"));
        app.receive(Text::new(sid.clone()).from(&phone)).await;
        let thread = json!(app.thread_of(&sid).await.id.to_string());
        carrier.set_fault(fault, Match::to(phone.clone()));
        let payload = app.reply(&ben, &thread, "hello", json!({"idempotencyKey": sid})).await;
        assert_eq!(payload["userErrors"], json!([]));
        let poll = || async {
            let message = app.outbound().await.pop().unwrap();
            if message.status == expected {
                return Some(message);
            }
            // Skips the wait of a text that was deferred, and advances the clock only then.
            if let Some(row) = app.outbox().await.pop()
                && row.state == OutboxState::Queued
                && row.due_at > app.clock.now()
            {
                app.clock.set(row.due_at);
            }
            None
        };
        let message = wait::until(&format!("{fault:?} ends in {expected:?}"), poll).await;
        assert_eq!(carrier.ledger().iter().filter(|text| text.to == phone).count(), carried, "{fault:?}");
        assert!(app.outbox().await.is_empty(), "{fault:?}");
        let failed = matches!(expected, Failed | Undelivered);
        assert_eq!(app.notifications_of(&message).await.len(), usize::from(failed), "{fault:?}");
        assert_eq!(message.error_code.is_some(), failed, "{fault:?}");
    }
}

/// Without status callbacks: two texts with the same body, one of them in doubt, and a third text in doubt.
#[tokio::test]
async fn a_text_in_doubt_without_a_status_callback_is_found_at_the_carrier() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    carrier.map_origin(unreachable_webhooks());
    let _workers = app.start_workers();
    send_text_with_key(&app, &thread, "the same", "first").await;
    app.wait_until_none_pending().await;
    carrier.set_fault(Fault::DropAfterAccepting, Match::any().times(2));
    for (body, key) in [("the same", "second"), ("another", "third")] {
        send_text_with_key(&app, &thread, body, key).await;
    }
    wait_for_unknown(&app, 2).await;
    let found = wait::until("all texts are found", || async {
        app.clock.advance(Duration::from_millis(100));
        let outbound = app.outbound().await;
        outbound.iter().all(|message| message.provider_sid.is_some()).then_some(outbound)
    })
    .await;
    let sids: Vec<_> = found.iter().map(|message| message.provider_sid.clone().unwrap()).collect();
    assert_eq!(sids, carrier.ledger().into_iter().map(|text| text.sid).collect::<Vec<_>>());
    assert!(found.iter().all(|message| message.flagged_at.is_none()));
    assert!(app.outbox().await.is_empty());
}

/// Two texts with the same body, one of which the carrier never received, are not mistaken for each other.
#[tokio::test]
async fn two_identical_texts_are_not_mistaken_for_each_other() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    carrier.map_origin(unreachable_webhooks());
    let _workers = app.start_workers();
    carrier.set_fault(Fault::DropBeforeAccepting, Match::any());
    carrier.set_fault(Fault::DropAfterAccepting, Match::any());
    for key in ["first", "second"] {
        send_text_with_key(&app, &thread, "the same", key).await;
    }
    wait_for_unknown(&app, 2).await;
    wait::until("both texts are flagged for a user", || async {
        app.clock.advance(Duration::from_secs(5));
        app.outbound().await.iter().all(|message| message.flagged_at.is_some()).then_some(())
    })
    .await;
    assert_eq!(carrier.ledger().len(), 1);
    // A status callback identifies its text and settles only that one.
    let second = app.outbound().await.pop().unwrap();
    let sid = carrier.ledger()[0].sid.clone();
    let query = crate::support::outbound::receipt_query(&second);
    app.receipt(&query, &[("MessageSid", &sid), ("MessageStatus", "delivered")]).await;
    let statuses: Vec<_> = app.outbound().await.iter().map(|message| message.status).collect();
    assert_eq!(statuses, [MessageStatus::Unknown, MessageStatus::Delivered]);
}

/// Waits, without advancing the clock, until this many texts are in doubt, that is, until their requests have ended.
async fn wait_for_unknown(app: &TestApp, count: usize) {
    wait::until("texts are in doubt", || async {
        let rows = app.outbox().await;
        (rows.iter().filter(|row| row.state == OutboxState::InDoubt).count() == count).then_some(())
    })
    .await;
}

pub(super) fn unreachable_webhooks() -> partyline_simulator::OriginMapping {
    let url = |text: &str| url::Url::parse(text).unwrap();
    partyline_simulator::OriginMapping { public: url("https://partyline.test"), local: url("http://127.0.0.1:9") }
}

async fn send_text_with_key(app: &TestApp, thread: &Value, body: &str, key: &str) {
    let ben = app.token("acme", "ben");
    let payload = app.reply(&ben, thread, body, json!({"idempotencyKey": key})).await;
    assert_eq!(payload["userErrors"], json!([]));
}

async fn message(app: &TestApp) -> message::Model {
    app.outbound().await.remove(0)
}

#[tokio::test]
async fn an_unreachable_carrier_is_retried_until_the_text_expires() {
    // Nothing listens on port 9 of the loopback address.
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let thread = app.all_threads(&app.token("acme", "ben")).await[0].clone();
    let _workers = app.start_workers();
    send_text(&app, &thread, "hello").await;
    let tried = |times: i32| {
        let app = &app;
        move || async move {
            // The clock advances only between attempts, because an attempt that times out would be in doubt.
            let row = app.outbox().await.pop().filter(|row| row.state == OutboxState::Queued)?;
            if row.attempts >= times && row.due_at > app.clock.now() {
                return Some(row);
            }
            app.clock.advance(Duration::from_millis(500));
            None
        }
    };
    let third = wait::until("the third attempt", tried(3)).await;
    // The delay doubles with each attempt, with a jitter of up to half of it.
    let pause = third.due_at - third.attempted_at.unwrap();
    assert!(pause.num_milliseconds() >= 2_000, "{pause}");
    app.clock.advance(Duration::from_secs(4 * 3600 + 300));
    let given_up = wait::until("the text has failed", || async {
        app.clock.advance(Duration::from_secs(1));
        Some(message(&app).await).filter(|message| message.status == MessageStatus::Failed)
    })
    .await;
    assert_eq!(given_up.error_code.as_deref(), Some("EXPIRED"));
    assert_eq!(app.notifications_of(&given_up).await[0].kind, NotificationKind::DeliveryFailed);
    assert!(app.outbox().await.is_empty());
}

/// An attempt that was interrupted by a crash and never reached the carrier is flagged for a user to decide.
#[tokio::test]
async fn a_text_in_doubt_is_flagged_for_a_user() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    let ben = app.token("acme", "ben");
    for body in ["one", "two"] {
        send_text(&app, &thread, body).await;
        let row = app.outbox().await.pop().unwrap();
        let departed = begin_next_attempt(app.services(), row.agency_id, row.phone_number_id).await.unwrap();
        assert!(matches!(departed, partyline::service::sending::NextStep::Send(_)));
        mark_interrupted_attempts(app.services()).await.unwrap();
        assert_eq!(
            app.outbox().await.pop().unwrap().state,
            OutboxState::Attempting,
            "the attempt may still be in progress"
        );
        app.clock.advance(Duration::from_secs(26));
        mark_interrupted_attempts(app.services()).await.unwrap();
    }
    let doubtful = app.outbound().await;
    assert!(doubtful.iter().all(|message| message.status == MessageStatus::Unknown && message.flagged_at.is_none()));
    let resend = "mutation($id: ID!, $key: String!) { resendMessage(input: {messageId: $id, idempotencyKey: $key}) {
        message { id body status } userErrors { code } } }";
    let abandon = "mutation($id: ID!) { abandonMessage(input: {messageId: $id}) {
        message { status failure { reason carrierCode } needsDecision } userErrors { code } } }";
    let id = |n: usize| doubtful[n].id.to_string();
    // Neither is possible before the text has been looked up at the carrier.
    for mutation in [resend, abandon] {
        let answer = app.graphql(&ben, mutation, json!({"id": id(0), "key": "again"})).await.to_string();
        assert!(answer.contains("CONFLICT"), "{answer}");
    }
    for _ in 0..80 {
        app.clock.advance(Duration::from_secs(5));
        resolve_unknown_texts(app.services()).await.unwrap();
    }
    assert!(carrier.ledger().is_empty() && app.outbox().await.is_empty());
    for message in app.outbound().await {
        assert!(message.status == MessageStatus::Unknown && message.flagged_at.is_some());
        let notifications = app.notifications_of(&message).await;
        assert_eq!(app.keys("acme", notifications.iter().map(|row| row.user_id)).await, ["ben", "ana"]);
    }
    // The first text is resent once, as a new message.
    let (first, key) = (json!({"id": id(0), "key": "again"}), "resendMessage");
    let again = app.graphql(&ben, resend, first.clone()).await["data"][key].clone();
    assert_eq!((&again["message"]["body"], &again["message"]["status"]), (&json!("one"), &json!("QUEUED")));
    assert_eq!(app.graphql(&ben, resend, first).await["data"][key], again);
    let twice = app.graphql(&ben, resend, json!({"id": id(0), "key": "and again"})).await;
    assert_eq!(twice["data"][key]["userErrors"][0]["code"], "CONFLICT");
    // The second text is abandoned. Only its author, its assignee, and admins may do that.
    let chloe = app.token("acme", "chloe");
    let refused = app.graphql(&chloe, abandon, json!({"id": id(1)})).await;
    assert_eq!(refused["data"]["abandonMessage"]["userErrors"][0]["code"], "NOT_ASSIGNEE");
    let given_up = app.graphql(&app.token("acme", "ana"), abandon, json!({"id": id(1)})).await;
    let expected =
        json!({"status": "FAILED", "failure": {"reason": "ABANDONED", "carrierCode": null}, "needsDecision": false});
    assert_eq!(given_up["data"]["abandonMessage"]["message"], expected);
    for message in app.outbound().await.iter().take(2) {
        assert!(app.notifications_of(message).await.iter().all(|row| row.resolved_at.is_some()));
    }
    // A late status callback shows that the carrier had accepted it.
    let query = crate::support::outbound::receipt_query(&app.outbound().await[1]);
    app.receipt(&query, &[("MessageSid", "SMlate"), ("MessageStatus", "delivered")]).await;
    assert_eq!(app.outbound().await[1].status, MessageStatus::Delivered);
}
