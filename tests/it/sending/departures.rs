//! The way to the carrier, and everything that can go wrong on it.

use std::time::Duration;

use partyline::domain::{MessageStatus, NotificationKind, OutboxState};
use partyline::entity::message;
use partyline::ports::Clock as _;
use partyline::service::sending::{cut_off_attempts, look_for_doubtful, next};
use partyline::simulator::{Fault, Match, Simulator};
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

async fn say(app: &TestApp, thread: &Value, body: &str) {
    let ben = app.token("acme", "ben");
    assert_eq!(app.reply(&ben, thread, body, json!({})).await["userErrors"], json!([]));
}

#[tokio::test]
async fn a_reply_reaches_the_phone_and_its_receipts_come_back() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    let _workers = app.start_workers();
    say(&app, &thread, "see you at ten").await;
    let sent = app.until_all("it is delivered", |message| message.status == MessageStatus::Delivered).await;
    let ledger = carrier.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!((ledger[0].body.as_str(), Some(&ledger[0].sid)), ("see you at ten", sent[0].provider_sid.as_ref()));
    assert_eq!(carrier.phone("+13035560001")[0].body, "see you at ten");
    assert!(app.outbox().await.is_empty());
    app.assert_logs_are_whole().await;
}

/// Told to stop, the server waits for what comes of a text that is on its way, and takes up no other.
#[tokio::test]
async fn a_text_on_its_way_is_finished_before_the_end() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    // A receipt would say that the first has arrived, and let the second go.
    carrier.deliver_to(nowhere());
    let workers = app.start_workers();
    carrier.set_fault(Fault::Slow { seconds: 3600 }, Match::any());
    for body in ["on its way", "waits"] {
        say(&app, &thread, body).await;
    }
    wait::until("the carrier has the first", || async { (carrier.ledger().len() == 1).then_some(()) }).await;
    let mut stopping = Box::pin(workers.stop(Duration::from_secs(60)));
    assert!(futures_util::poll!(&mut stopping).is_pending());
    // The carrier's answer is not waited for any longer, and that is known when the server ends.
    app.clock.advance(Duration::from_secs(11));
    wait::within("the workers stop", stopping).await;
    let sent = app.outbound().await;
    assert_eq!(sent[0].status, MessageStatus::Unknown);
    let waiting = app.outbox().await.pop().unwrap();
    assert_eq!((waiting.message_id, waiting.state, waiting.attempts), (sent[1].id, OutboxState::Queued, 0));
    assert_eq!(carrier.ledger().len(), 1);
}

/// What each fault of the carrier ends in.
#[tokio::test]
async fn no_fault_sends_twice_or_loses() {
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
        let said = app.reply(&ben, &thread, "hello", json!({"idempotencyKey": sid})).await;
        assert_eq!(said["userErrors"], json!([]));
        let look = || async {
            let message = app.outbound().await.pop().unwrap();
            if message.status == expected {
                return Some(message);
            }
            // A text that was put off waits no longer; nothing else is to see the time go by.
            if let Some(row) = app.outbox().await.pop()
                && row.state == OutboxState::Queued
                && row.due_at > app.clock.now()
            {
                app.clock.set(row.due_at);
            }
            None
        };
        let message = wait::until(&format!("{fault:?} ends in {expected:?}"), look).await;
        assert_eq!(carrier.ledger().iter().filter(|text| text.to == phone).count(), carried, "{fault:?}");
        assert!(app.outbox().await.is_empty(), "{fault:?}");
        let failed = matches!(expected, Failed | Undelivered);
        assert_eq!(app.notifications_of(&message).await.len(), usize::from(failed), "{fault:?}");
        assert_eq!(message.error_code.is_some(), failed, "{fault:?}");
    }
}

/// No receipt comes: two texts that say the same, one of them in doubt, and a third in doubt.
#[tokio::test]
async fn what_no_receipt_settles_is_found_at_the_carrier() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    carrier.deliver_to(nowhere());
    let _workers = app.start_workers();
    say_with_key(&app, &thread, "the same", "first").await;
    app.until_settled().await;
    carrier.set_fault(Fault::DropAfterAccepting, Match::any().times(2));
    for (body, key) in [("the same", "second"), ("another", "third")] {
        say_with_key(&app, &thread, body, key).await;
    }
    until_in_doubt(&app, 2).await;
    let found = wait::until("all are found", || async {
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

/// Two texts that say the same, one of which the carrier never saw: neither is taken for the other.
#[tokio::test]
async fn of_two_alike_none_is_taken_for_the_other() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    carrier.deliver_to(nowhere());
    let _workers = app.start_workers();
    carrier.set_fault(Fault::DropBeforeAccepting, Match::any());
    carrier.set_fault(Fault::DropAfterAccepting, Match::any());
    for key in ["first", "second"] {
        say_with_key(&app, &thread, "the same", key).await;
    }
    until_in_doubt(&app, 2).await;
    wait::until("a person is asked about both", || async {
        app.clock.advance(Duration::from_secs(5));
        app.outbound().await.iter().all(|message| message.flagged_at.is_some()).then_some(())
    })
    .await;
    assert_eq!(carrier.ledger().len(), 1);
    // A receipt names its text, and settles that one alone.
    let second = app.outbound().await.pop().unwrap();
    let sid = carrier.ledger()[0].sid.clone();
    let query = crate::support::outbound::named(&second);
    app.receipt(&query, &[("MessageSid", &sid), ("MessageStatus", "delivered")]).await;
    let statuses: Vec<_> = app.outbound().await.iter().map(|message| message.status).collect();
    assert_eq!(statuses, [MessageStatus::Unknown, MessageStatus::Delivered]);
}

/// The clock stands still until so many texts are in doubt: their requests are over.
async fn until_in_doubt(app: &TestApp, count: usize) {
    wait::until("texts are in doubt", || async {
        let rows = app.outbox().await;
        (rows.iter().filter(|row| row.state == OutboxState::InDoubt).count() == count).then_some(())
    })
    .await;
}

pub(super) fn nowhere() -> partyline::simulator::Deliver {
    let url = |text: &str| url::Url::parse(text).unwrap();
    partyline::simulator::Deliver { public: url("https://partyline.test"), local: url("http://127.0.0.1:9") }
}

async fn say_with_key(app: &TestApp, thread: &Value, body: &str, key: &str) {
    let ben = app.token("acme", "ben");
    let said = app.reply(&ben, thread, body, json!({"idempotencyKey": key})).await;
    assert_eq!(said["userErrors"], json!([]));
}

async fn message(app: &TestApp) -> message::Model {
    app.outbound().await.remove(0)
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_given_up_in_the_end() {
    // Port 9 of the loopback: nobody listens.
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let thread = app.all_threads(&app.token("acme", "ben")).await[0].clone();
    let _workers = app.start_workers();
    say(&app, &thread, "hello").await;
    let tried = |times: i32| {
        let app = &app;
        move || async move {
            // Time passes only while it waits: an attempt that saw too much of it would be in doubt.
            let row = app.outbox().await.pop().filter(|row| row.state == OutboxState::Queued)?;
            if row.attempts >= times && row.due_at > app.clock.now() {
                return Some(row);
            }
            app.clock.advance(Duration::from_millis(500));
            None
        }
    };
    let third = wait::until("a third attempt", tried(3)).await;
    // Twice as long each time, at most half of it taken away by chance.
    let pause = third.due_at - third.attempted_at.unwrap();
    assert!(pause.num_milliseconds() >= 2_000, "{pause}");
    app.clock.advance(Duration::from_secs(4 * 3600 + 300));
    let given_up = wait::until("it is given up", || async {
        app.clock.advance(Duration::from_secs(1));
        Some(message(&app).await).filter(|message| message.status == MessageStatus::Failed)
    })
    .await;
    assert_eq!(given_up.error_code.as_deref(), Some("EXPIRED"));
    assert_eq!(app.notifications_of(&given_up).await[0].kind, NotificationKind::DeliveryFailed);
    assert!(app.outbox().await.is_empty());
}

/// An attempt that a crash cut off, which the carrier never saw: a person is asked, and decides.
#[tokio::test]
async fn what_nobody_knows_is_put_before_a_person() {
    let carrier = carrier();
    let (app, thread) = app_with_thread(&carrier).await;
    let ben = app.token("acme", "ben");
    for body in ["one", "two"] {
        say(&app, &thread, body).await;
        let row = app.outbox().await.pop().unwrap();
        let departed = next(app.services(), row.agency_id, row.phone_number_id).await.unwrap();
        assert!(matches!(departed, partyline::service::sending::Next::Send(_)));
        cut_off_attempts(app.services()).await.unwrap();
        assert_eq!(app.outbox().await.pop().unwrap().state, OutboxState::Attempting, "it may still be under way");
        app.clock.advance(Duration::from_secs(26));
        cut_off_attempts(app.services()).await.unwrap();
    }
    let doubtful = app.outbound().await;
    assert!(doubtful.iter().all(|message| message.status == MessageStatus::Unknown && message.flagged_at.is_none()));
    let resend = "mutation($id: ID!, $key: String!) { resendMessage(input: {messageId: $id, idempotencyKey: $key}) {
        message { id body status } userErrors { code } } }";
    let abandon = "mutation($id: ID!) { abandonMessage(input: {messageId: $id}) {
        message { status errorCode needsDecision } userErrors { code } } }";
    let id = |n: usize| doubtful[n].id.to_string();
    // Not before it has been looked for.
    for mutation in [resend, abandon] {
        let answer = app.graphql(&ben, mutation, json!({"id": id(0), "key": "again"})).await.to_string();
        assert!(answer.contains("CONFLICT"), "{answer}");
    }
    for _ in 0..80 {
        app.clock.advance(Duration::from_secs(5));
        look_for_doubtful(app.services()).await.unwrap();
    }
    assert!(carrier.ledger().is_empty() && app.outbox().await.is_empty());
    for message in app.outbound().await {
        assert!(message.status == MessageStatus::Unknown && message.flagged_at.is_some());
        let told = app.notifications_of(&message).await;
        assert_eq!(app.keys("acme", told.iter().map(|row| row.user_id)).await, ["ben", "ana"]);
    }
    // The first is sent again: as another message, once.
    let (first, key) = (json!({"id": id(0), "key": "again"}), "resendMessage");
    let again = app.graphql(&ben, resend, first.clone()).await["data"][key].clone();
    assert_eq!((&again["message"]["body"], &again["message"]["status"]), (&json!("one"), &json!("QUEUED")));
    assert_eq!(app.graphql(&ben, resend, first).await["data"][key], again);
    let twice = app.graphql(&ben, resend, json!({"id": id(0), "key": "and again"})).await;
    assert_eq!(twice["data"][key]["userErrors"][0]["code"], "CONFLICT");
    // The second is given up. Nobody but who wrote it, its assignee and admins may.
    let chloe = app.token("acme", "chloe");
    let refused = app.graphql(&chloe, abandon, json!({"id": id(1)})).await;
    assert_eq!(refused["data"]["abandonMessage"]["userErrors"][0]["code"], "NOT_ASSIGNEE");
    let given_up = app.graphql(&app.token("acme", "ana"), abandon, json!({"id": id(1)})).await;
    let expected = json!({"status": "FAILED", "errorCode": "ABANDONED", "needsDecision": false});
    assert_eq!(given_up["data"]["abandonMessage"]["message"], expected);
    for message in app.outbound().await.iter().take(2) {
        assert!(app.notifications_of(message).await.iter().all(|row| row.resolved_at.is_some()));
    }
    // It turns out that the carrier had it after all.
    let query = crate::support::outbound::named(&app.outbound().await[1]);
    app.receipt(&query, &[("MessageSid", "SMlate"), ("MessageStatus", "delivered")]).await;
    assert_eq!(app.outbound().await[1].status, MessageStatus::Delivered);
}
