//! What Twilio answers to a text, and what it shows in its lists.

use std::time::Duration;

use partyline::domain::{MessageStatus, OutboxState};
use partyline::ports::Clock as _;
use partyline::service::sending::{arrive, look_for_doubtful, next};
use partyline::simulator::{ApiFaults, Fault, Listing, Match, Simulator};
use serde_json::{Value, json};

use crate::support::carrier::{carrier, carrier_of_the_day};
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

async fn say(app: &TestApp, thread: &Value, body: &str) {
    let ben = app.token("acme", "ben");
    let key = body.chars().take(64).collect::<String>();
    assert_eq!(app.reply(&ben, thread, body, json!({"idempotencyKey": key})).await["userErrors"], json!([]));
}

/// Tries the next text of the front desk once.
async fn send_one(app: &TestApp) {
    let directory = app.directory("acme").await;
    let number = directory.numbers.iter().find(|row| row.e164 == DESK).unwrap().id;
    match next(app.services(), directory.agency_id(), number).await.unwrap() {
        partyline::service::sending::Next::Send(departure) => {
            arrive(app.services(), departure, 0).await.unwrap();
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_busy_carrier_is_asked_again_whatever_the_status() {
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
        say(&app, &thread, &format!("{fault:?}")).await;
        send_one(&app).await;
        let waiting = app.outbox().await.pop().expect("it waits");
        assert_eq!((waiting.state, waiting.attempts), (OutboxState::Queued, 1), "{fault:?}");
        assert_eq!((waiting.due_at - app.clock.now()).num_seconds(), at_least, "{fault:?}");
        app.clock.set(waiting.due_at);
        send_one(&app).await;
        assert_eq!(carrier.ledger().len(), before + 1, "{fault:?}");
        app.until_settled().await;
    }
    let row = partyline::store::accounts::by_sid(app.db(), crate::support::directory::ACCOUNT).await.unwrap().unwrap();
    assert_eq!(row.trouble, None, "it is no trouble of the account");
}

#[tokio::test]
async fn a_text_says_for_how_long_it_may_wait_at_the_carrier() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    for (body, age, expected) in
        [("new", 0, 14_400), ("an hour old", 3_600, 10_800), ("nearly too old", 14_399, 1), ("at the end", 14_400, 1)]
    {
        say(&app, &thread, body).await;
        app.clock.advance(Duration::from_secs(age));
        send_one(&app).await;
        let sent = carrier.ledger().pop().unwrap();
        assert_eq!((sent.body.as_str(), sent.validity_seconds), (body, Some(expected)));
        app.until_settled().await;
    }
    let begin = r#"mutation { startPhoneVerification(input: {phone: "+13035550199"}) { userErrors { message } } }"#;
    let answer = app.graphql(&app.token("acme", "ben"), begin, json!({})).await;
    assert_eq!(answer["data"]["startPhoneVerification"]["userErrors"], json!([]), "{answer}");
    assert_eq!(carrier.ledger().pop().unwrap().validity_seconds, Some(600), "a code is good for ten minutes");
}

/// A text that the carrier has and did not acknowledge, and its list without the words.
#[tokio::test]
async fn a_text_in_doubt_is_found_where_the_list_does_not_show_what_it_says() {
    for listing in [Listing::Redacted, Listing::Null, Listing::Trial] {
        let carrier = carrier_of_the_day();
        let (app, thread) = start(&carrier).await;
        carrier.deliver_to(super::nowhere());
        // One that was sent before, and is known by its name.
        say(&app, &thread, "before").await;
        send_one(&app).await;
        carrier.set_api_faults(ApiFaults { listing, ..ApiFaults::default() });
        carrier.set_fault(Fault::DropAfterAccepting, Match::any());
        say(&app, &thread, "in doubt").await;
        send_one(&app).await;
        assert_eq!(app.outbound().await[1].status, MessageStatus::Unknown, "{listing:?}");
        app.clock.advance(Duration::from_secs(2));
        look_for_doubtful(app.services()).await.unwrap();
        let found = app.outbound().await.remove(1);
        assert_eq!(found.provider_sid, Some(carrier.ledger()[1].sid.clone()), "{listing:?}");
        assert!(found.flagged_at.is_none() && app.outbox().await.is_empty(), "{listing:?}");
    }
}

/// Redacted texts of the same length: nobody can say which is which. One of another length is certain.
#[tokio::test]
async fn of_redacted_texts_only_a_certain_one_is_taken() {
    let carrier = carrier_of_the_day();
    let (app, thread) = start(&carrier).await;
    carrier.deliver_to(super::nowhere());
    carrier.set_api_faults(ApiFaults { listing: Listing::Redacted, ..ApiFaults::default() });
    carrier.set_fault(Fault::DropAfterAccepting, Match::any().times(2));
    carrier.set_fault(Fault::DropBeforeAccepting, Match::any());
    let long = "a longer text than the others ".repeat(10);
    for body in ["one", long.as_str(), "another"] {
        say(&app, &thread, body).await;
        send_one(&app).await;
    }
    assert_eq!(carrier.ledger().len(), 2);
    for _ in 0..80 {
        app.clock.advance(Duration::from_secs(5));
        look_for_doubtful(app.services()).await.unwrap();
    }
    let texts = app.outbound().await;
    assert_eq!(texts[1].provider_sid, Some(carrier.ledger()[1].sid.clone()), "the only one of its length");
    for uncertain in [&texts[0], &texts[2]] {
        assert!(uncertain.provider_sid.is_none() && uncertain.flagged_at.is_some(), "a person decides: {uncertain:?}");
    }
}

/// What the API shows of an error: the code, words, and who has to act.
#[tokio::test]
async fn an_error_says_who_has_to_act() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    let _workers = app.start_workers();
    for (code, actor) in [(21211, "STAFF"), (30034, "ADMIN"), (21408, "OPERATOR"), (99_999, "OPERATOR")] {
        carrier.set_fault(Fault::Reject { code }, Match::any());
        say(&app, &thread, &format!("refused with {code}")).await;
        app.until_settled().await;
        let query =
            "query($id: ID!) { node(id: $id) { ... on Thread { lastMessage { errorCode errorMessage errorActor } } } }";
        let answer = app.graphql(&app.token("acme", "ben"), query, json!({"id": thread})).await;
        let message = &answer["data"]["node"]["lastMessage"];
        assert_eq!((&message["errorCode"], &message["errorActor"]), (&json!(code.to_string()), &json!(actor)));
        assert!(message["errorMessage"].as_str().unwrap().ends_with('.'), "{message}");
    }
    say(&app, &thread, "arrives").await;
    app.until_settled().await;
    let query = "query($id: ID!) { node(id: $id) { ... on Thread { lastMessage { errorActor } } } }";
    let answer = app.graphql(&app.token("acme", "ben"), query, json!({"id": thread})).await;
    assert_eq!(answer["data"]["node"]["lastMessage"]["errorActor"], Value::Null, "{answer}");
    wait::until("the outbox is empty", || async { app.outbox().await.is_empty().then_some(()) }).await;
}
