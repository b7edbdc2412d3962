//! The order in which the texts of one number are sent.

use partyline::domain::PhoneNumberId;
use partyline::service::sending::{NextStep, begin_next_attempt};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::directory::DESK;
use crate::support::{TestApp, Text};

async fn start() -> TestApp {
    let app = TestApp::start().await;
    let pace = "pace: {perSecond: 1000, burst: 1000}, missedCallText: We missed you.";
    app.apply(&format!(
        "agencies: [{{key: acme, optOutReplies: PARTYLINE, phoneNumbers: [{{number: \"{DESK}\", {pace}}}]}}]"
    ))
    .await;
    app
}

/// The threads of `count` contacts at the desk's number.
async fn threads(app: &TestApp, count: usize) -> Vec<Value> {
    let mut threads = Vec::new();
    for n in 0..count {
        let sid = format!("SMturn{n}");
        app.receive(Text::new(sid.clone()).from(&format!("+1303557{n:04}"))).await;
        threads.push(json!(app.thread_of(&sid).await.id.to_string()));
    }
    threads
}

/// Sends a text in each thread, all in one request.
async fn send_all(app: &TestApp, token: &SecretString, threads: &[Value], name: &str) {
    let sends = threads.iter().enumerate().map(|(n, thread)| {
        format!("m{n}: sendMessage(input: {{threadId: {thread}, body: \"{name}{n}\", idempotencyKey: \"{name}{n}\"}}) {{ userErrors {{ code }} }} ")
    });
    let answer = app.graphql(token, &format!("mutation {{ {} }}", sends.collect::<String>()), json!({})).await;
    for payload in answer["data"].as_object().unwrap_or_else(|| panic!("{answer}")).values() {
        assert_eq!(payload["userErrors"], json!([]));
    }
}

/// The bodies of the next texts that are sent from the desk's number.
async fn next_texts(app: &TestApp, count: usize) -> Vec<String> {
    let agency = app.agency("acme").await;
    let number: PhoneNumberId = app.number_id("acme", DESK).await.parse().unwrap();
    let mut sent = Vec::new();
    while sent.len() < count {
        match begin_next_attempt(app.services(), agency, number).await.unwrap() {
            NextStep::Send(attempt) => sent.push(attempt.text.body),
            NextStep::Continue => {}
            other => panic!("{other:?} after {sent:?}"),
        }
    }
    sent
}

/// Regression: 25 texts in one request delayed an urgent one by 25 seconds.
#[tokio::test]
async fn an_urgent_text_is_sent_second_after_one_of_a_colleagues_twenty_five() {
    let app = start().await;
    let threads = threads(&app, 26).await;
    send_all(&app, &app.token("acme", "ben"), &threads[..25], "ben").await;
    send_all(&app, &app.token("acme", "ana"), &threads[25..], "ana").await;
    let mut expected: Vec<String> = (0..25).map(|n| format!("ben{n}")).collect();
    expected.insert(1, "ana0".to_owned());
    assert_eq!(next_texts(&app, 26).await, expected);
}

#[tokio::test]
async fn senders_take_turns_even_after_some_texts_have_been_sent() {
    let app = start().await;
    let threads = threads(&app, 14).await;
    send_all(&app, &app.token("acme", "ben"), &threads[..10], "ben").await;
    assert_eq!(next_texts(&app, 4).await, ["ben0", "ben1", "ben2", "ben3"]);
    send_all(&app, &app.token("acme", "ana"), &threads[10..12], "ana").await;
    send_all(&app, &app.token("acme", "chloe"), &threads[12..], "chloe").await;
    let sent = next_texts(&app, 10).await;
    assert_eq!(sent[..6], ["ben4", "ana0", "chloe0", "ben5", "ana1", "chloe1"]);
    assert_eq!(sent[6..], ["ben6", "ben7", "ben8", "ben9"]);
}

#[tokio::test]
async fn texts_of_staff_precede_automatic_texts() {
    let app = start().await;
    let threads = threads(&app, 3).await;
    for n in 0..3 {
        app.receive(Text::new(format!("SMhelp{n}")).from(&format!("+1303558{n:04}")).body("HELP")).await;
    }
    send_all(&app, &app.token("acme", "ben"), &threads, "ben").await;
    let sent = next_texts(&app, 6).await;
    assert_eq!(sent[..3], ["ben0", "ben1", "ben2"]);
    assert!(sent[3..].iter().all(|body| !body.starts_with("ben")), "{sent:?}");
}

/// Otherwise, a reply after an automatic text of its thread would wait for all texts of other users.
#[tokio::test]
async fn an_automatic_text_is_sent_before_the_reply_that_follows_it() {
    let app = start().await;
    let threads = threads(&app, 4).await;
    app.receive(Text::new("SMhelp").from("+13035570000").body("HELP")).await;
    send_all(&app, &app.token("acme", "ben"), &threads[1..], "ben").await;
    send_all(&app, &app.token("acme", "ana"), &threads[..1], "ana").await;
    let sent = next_texts(&app, 2).await;
    assert!(!sent[0].starts_with("ben") && sent[1] == "ben0", "{sent:?}");
}

#[tokio::test]
async fn the_texts_of_a_thread_are_sent_in_order_whoever_sends_them() {
    let app = start().await;
    let threads = threads(&app, 1).await;
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", policy: SHARED}}]}}]")).await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    for (token, name) in [(&ben, "b"), (&ben, "c"), (&ana, "d"), (&ben, "e")] {
        send_all(&app, token, &threads, name).await;
    }
    let agency = app.agency("acme").await;
    let number: PhoneNumberId = app.number_id("acme", DESK).await.parse().unwrap();
    assert_eq!(next_texts(&app, 1).await, ["b0"]);
    // The others wait for the outcome of the first.
    assert!(matches!(begin_next_attempt(app.services(), agency, number).await.unwrap(), NextStep::Idle));
}
