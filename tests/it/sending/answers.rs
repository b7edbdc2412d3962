//! Twilio's responses to outbound texts, and its lists of messages.

use std::time::Duration;

use partyline::domain::{MessageStatus, OutboxState};
use partyline::ports::Clock as _;
use partyline::service::sending::{begin_next_attempt, resolve_unknown_texts, send_attempt};
use partyline_simulator::{ApiFaults, Fault, Listing, Match, Simulator};
use serde_json::{Value, json};

use crate::support::carrier::{carrier, carrier_on_test_date};
use crate::support::directory::DESK;
use crate::support::{TestApp, Text, wait};

async fn start(carrier: &Simulator) -> (TestApp, Value) {
    let app = TestApp::start_with_carrier(carrier).await;
    let pace = "pace: {perSecond: 100, burst: 100}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", {pace}}}]}}]")).await;
    app.receive(Text::new("SM0")).await;
    let thread = app.all_threads(&app.token("acme", "ben")).await[0].clone();
    (app, thread)
}

async fn send_text(app: &TestApp, thread: &Value, body: &str) {
    let ben = app.token("acme", "ben");
    let key = body.chars().take(64).collect::<String>();
    assert_eq!(app.reply(&ben, thread, body, json!({"idempotencyKey": key})).await["userErrors"], json!([]));
}

/// Makes one attempt to send the next text of the front desk.
async fn send_one(app: &TestApp) {
    let directory = app.directory("acme").await;
    let number = directory.numbers.iter().find(|row| row.e164 == DESK).unwrap().id;
    match begin_next_attempt(app.services(), directory.agency_id(), number).await.unwrap() {
        partyline::service::sending::NextStep::Send(attempt) => {
            send_attempt(app.services(), attempt, 0).await.unwrap();
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_busy_carrier_is_retried_whatever_the_status() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    let with = |status, code, seconds| Fault::RejectWith { status, code, seconds };
    for (fault, at_least) in [
        (with(429, 20429, Some(7)), 7),
        (with(400, 20429, Some(7)), 7),
        (with(503, 20429, Some(9)), 9),
        (with(403, 20429, None), 1),
        (Fault::Reject { code: 21611 }, 1),
        (Fault::Reject { code: 14107 }, 1),
        (Fault::Reject { code: 63017 }, 1),
        (with(400, 63018, Some(20)), 20),
        (Fault::Reject { code: 21730 }, 1),
    ] {
        carrier.set_fault(fault, Match::any());
        let before = carrier.ledger().len();
        send_text(&app, &thread, &format!("{fault:?}")).await;
        send_one(&app).await;
        let waiting = app.outbox().await.pop().expect("the text is still queued");
        assert_eq!((waiting.state, waiting.attempts), (OutboxState::Queued, 1), "{fault:?}");
        assert_eq!((waiting.due_at - app.clock.now()).num_seconds(), at_least, "{fault:?}");
        app.clock.set(waiting.due_at);
        send_one(&app).await;
        assert_eq!(carrier.ledger().len(), before + 1, "{fault:?}");
        app.wait_until_none_pending().await;
    }
    let row = partyline::store::accounts::by_sid(app.db(), crate::support::directory::ACCOUNT).await.unwrap().unwrap();
    assert_eq!(row.trouble, None, "this is not a problem of the account");
}

#[tokio::test]
async fn a_text_has_a_validity_period_at_the_carrier() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    for (body, age, expected) in
        [("new", 0, 14_400), ("an hour old", 3_600, 10_800), ("nearly too old", 14_399, 1), ("at the end", 14_400, 1)]
    {
        send_text(&app, &thread, body).await;
        app.clock.advance(Duration::from_secs(age));
        send_one(&app).await;
        let sent = carrier.ledger().pop().unwrap();
        assert_eq!((sent.body.as_str(), sent.validity_seconds), (body, Some(expected)));
        app.wait_until_none_pending().await;
    }
    let begin = r#"mutation { startPhoneVerification(input: {phone: "+13035550199"}) { userErrors { message } } }"#;
    let answer = app.graphql(&app.token("acme", "ben"), begin, json!({})).await;
    assert_eq!(answer["data"]["startPhoneVerification"]["userErrors"], json!([]), "{answer}");
    assert_eq!(carrier.ledger().pop().unwrap().validity_seconds, Some(600), "a code is valid for ten minutes");
}

/// The carrier accepted a text without acknowledging it, and its list of messages shows no bodies.
#[tokio::test]
async fn a_text_in_doubt_is_found_in_a_list_without_bodies() {
    for listing in [Listing::Redacted, Listing::Null, Listing::Trial] {
        let carrier = carrier_on_test_date();
        let (app, thread) = start(&carrier).await;
        carrier.map_origin(super::unreachable_webhooks());
        // An earlier text, which is known by its SID.
        send_text(&app, &thread, "before").await;
        send_one(&app).await;
        carrier.set_api_faults(ApiFaults { listing, ..ApiFaults::default() });
        carrier.set_fault(Fault::DropAfterAccepting, Match::any());
        send_text(&app, &thread, "in doubt").await;
        send_one(&app).await;
        assert_eq!(app.outbound().await[1].status, MessageStatus::Unknown, "{listing:?}");
        app.clock.advance(Duration::from_secs(2));
        resolve_unknown_texts(app.services()).await.unwrap();
        let found = app.outbound().await.remove(1);
        assert_eq!(found.provider_sid, Some(carrier.ledger()[1].sid.clone()), "{listing:?}");
        assert!(found.flagged_at.is_none() && app.outbox().await.is_empty(), "{listing:?}");
    }
}

/// Redacted texts of the same length cannot be told apart. A text of a unique length can be identified.
#[tokio::test]
async fn a_redacted_text_is_matched_only_if_the_match_is_unique() {
    let carrier = carrier_on_test_date();
    let (app, thread) = start(&carrier).await;
    carrier.map_origin(super::unreachable_webhooks());
    carrier.set_api_faults(ApiFaults { listing: Listing::Redacted, ..ApiFaults::default() });
    carrier.set_fault(Fault::DropAfterAccepting, Match::any().times(2));
    carrier.set_fault(Fault::DropBeforeAccepting, Match::any());
    let long = "a longer text than the others ".repeat(10);
    for body in ["one", long.as_str(), "another"] {
        send_text(&app, &thread, body).await;
        send_one(&app).await;
    }
    assert_eq!(carrier.ledger().len(), 2);
    for _ in 0..80 {
        app.clock.advance(Duration::from_secs(5));
        resolve_unknown_texts(app.services()).await.unwrap();
    }
    let texts = app.outbound().await;
    assert_eq!(texts[1].provider_sid, Some(carrier.ledger()[1].sid.clone()), "the only one of its length");
    for uncertain in [&texts[0], &texts[2]] {
        assert!(
            uncertain.provider_sid.is_none() && uncertain.flagged_at.is_some(),
            "flagged for a decision by a user: {uncertain:?}"
        );
    }
}

/// The API shows an error's code, a description, and the role that has to act.
#[tokio::test]
async fn an_error_names_the_role_that_has_to_act() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    let _workers = app.start_workers();
    for (code, actor) in [(21211, "STAFF"), (30034, "ADMIN"), (21408, "OPERATOR"), (99_999, "OPERATOR")] {
        carrier.set_fault(Fault::Reject { code }, Match::any());
        send_text(&app, &thread, &format!("refused with {code}")).await;
        app.wait_until_none_pending().await;
        let query = "query($id: ID!) { node(id: $id) { ... on Thread { lastMessage { failure { reason carrierCode message actor } } } } }";
        let answer = app.graphql(&app.token("acme", "ben"), query, json!({"id": thread})).await;
        let failure = &answer["data"]["node"]["lastMessage"]["failure"];
        assert_eq!((&failure["reason"], &failure["actor"]), (&json!("CARRIER"), &json!(actor)));
        assert_eq!(failure["carrierCode"], code.to_string());
        assert!(failure["message"].as_str().unwrap().ends_with('.'), "{failure}");
    }
    send_text(&app, &thread, "arrives").await;
    app.wait_until_none_pending().await;
    let query = "query($id: ID!) { node(id: $id) { ... on Thread { lastMessage { failure { actor } } } } }";
    let answer = app.graphql(&app.token("acme", "ben"), query, json!({"id": thread})).await;
    assert_eq!(answer["data"]["node"]["lastMessage"]["failure"], Value::Null, "{answer}");
    wait::until("the outbox is empty", || async { app.outbox().await.is_empty().then_some(()) }).await;
}
