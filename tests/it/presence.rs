//! Presence: who looks at a thread or writes in it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::database::server_is;
use crate::support::directory::{DESK, NURSES, OTHER, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::socket::Socket;
use crate::support::{TestApp, Text, wait};

const LIVE: &str = include_str!("documents/presence_live.graphql");
const SET: &str = include_str!("documents/presence_set.graphql");
const OF_THREAD: &str = include_str!("documents/presence_of_thread.graphql");

async fn set(app: &TestApp, user: &str, thread: &Value, state: &str) -> Value {
    let variables = json!({"thread": thread, "state": state});
    let answer = app.graphql(&app.token("acme", user), SET, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["setPresence"].clone()
}

async fn follow(app: &TestApp, agency: &str, user: &str, thread: Value) -> Socket {
    let mut socket = app.socket(&app.token(agency, user)).await;
    socket.subscribe("1", LIVE, json!({"thread": thread})).await;
    // Operations begin in order, so the subscription has begun when the next one is answered.
    socket.assert_silent().await;
    socket
}

async fn next(socket: &mut Socket) -> (String, String, Value) {
    let event = socket.event().await["presenceUpdated"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&event["user"]["key"]), text(&event["state"]), event["threadId"].clone())
}

fn seen(user: &str, state: &str, thread: &Value) -> (String, String, Value) {
    (user.to_owned(), state.to_owned(), thread.clone())
}

async fn present(app: &TestApp, thread: &Value) -> Value {
    let answer = app.graphql(&app.token("acme", "ana"), OF_THREAD, json!({"thread": thread})).await;
    answer["data"]["node"]["presence"].clone()
}

/// A thread on this number, by its id.
async fn thread_on(app: &TestApp, number: &str, sid: &str) -> Value {
    let text = Text::new(sid).to(number);
    app.receive(if number == OTHER { text.account(OTHER_ACCOUNT, OTHER_TOKEN) } else { text }).await;
    json!(app.thread_of(sid).await.id.to_string())
}

#[tokio::test]
async fn the_handlers_of_a_thread_see_who_looks_at_it() {
    let app = TestApp::start().await;
    let (desk, nurses) = (thread_on(&app, DESK, "SMdesk").await, thread_on(&app, NURSES, "SMnurses").await);
    let before = app.cursor(&app.token("acme", "ana")).await;
    let mut anas = follow(&app, "acme", "ana", Value::Null).await;
    let mut chloes = follow(&app, "acme", "chloe", desk.clone()).await;
    let mut devs = follow(&app, "acme", "dev", Value::Null).await;
    let mut devs_desk = follow(&app, "acme", "dev", desk.clone()).await;
    let mut olgas = follow(&app, "other", "olga", desk.clone()).await;
    let answer = set(&app, "ben", &desk, "VIEWING").await;
    let presence = json!({"user": {"key": "ben"}, "threadId": desk, "state": "VIEWING"});
    assert_eq!(answer, json!({"presence": presence, "userErrors": []}));
    set(&app, "dev", &nurses, "COMPOSING").await;
    assert_eq!(next(&mut anas).await, seen("ben", "VIEWING", &desk));
    assert_eq!(next(&mut anas).await, seen("dev", "COMPOSING", &nurses));
    assert_eq!(next(&mut chloes).await, seen("ben", "VIEWING", &desk));
    // Dev is not a handler of the first thread.
    assert_eq!(next(&mut devs).await, seen("dev", "COMPOSING", &nurses));
    for socket in [&mut chloes, &mut devs, &mut devs_desk, &mut olgas] {
        socket.assert_silent().await;
    }
    let here = json!([{"user": {"key": "ben"}, "state": "VIEWING", "since": "2026-11-23T15:00:00.000000Z"}]);
    assert_eq!(present(&app, &desk).await, here);
    assert_eq!(app.cursor(&app.token("acme", "ana")).await, before, "presence is not in the log");
}

#[tokio::test]
async fn presence_ends_fifteen_seconds_after_the_last_report() {
    let app = TestApp::start().await;
    let thread = thread_on(&app, DESK, "SM1").await;
    let mut anas = follow(&app, "acme", "ana", Value::Null).await;
    set(&app, "ben", &thread, "VIEWING").await;
    assert_eq!(next(&mut anas).await, seen("ben", "VIEWING", &thread));
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(14));
        app.services().presence.expire();
        set(&app, "ben", &thread, "VIEWING").await;
    }
    anas.assert_silent().await;
    app.clock.advance(Duration::from_secs(15));
    // Not even before the change is announced.
    assert_eq!(present(&app, &thread).await, json!([]));
    app.services().presence.expire();
    assert_eq!(next(&mut anas).await, seen("ben", "GONE", &thread));
    app.services().presence.expire();
    anas.assert_silent().await;
}

#[tokio::test]
async fn a_user_who_types_in_bursts_is_announced_once_a_second() {
    let app = TestApp::start().await;
    let thread = thread_on(&app, DESK, "SM1").await;
    let mut anas = follow(&app, "acme", "ana", Value::Null).await;
    for _ in 0..20 {
        for state in ["VIEWING", "COMPOSING", "GONE", "COMPOSING"] {
            set(&app, "ben", &thread, state).await;
        }
    }
    assert_eq!(next(&mut anas).await, seen("ben", "VIEWING", &thread));
    app.services().presence.expire();
    anas.assert_silent().await;
    app.clock.advance(Duration::from_secs(1));
    app.services().presence.expire();
    assert_eq!(next(&mut anas).await, seen("ben", "COMPOSING", &thread));
    anas.assert_silent().await;
    set(&app, "ben", &thread, "GONE").await;
    app.clock.advance(Duration::from_secs(1));
    app.services().presence.expire();
    assert_eq!(next(&mut anas).await, seen("ben", "GONE", &thread));
}

#[tokio::test]
async fn presence_in_an_invisible_thread_is_refused_and_a_former_handler_sees_none() {
    let app = TestApp::start().await;
    let (desk, theirs) = (thread_on(&app, DESK, "SM1").await, thread_on(&app, OTHER, "SM2").await);
    for (user, thread) in [("dev", &desk), ("ana", &theirs), ("ana", &json!("thr_x")), ("ana", &json!(""))] {
        let refused = set(&app, user, thread, "VIEWING").await;
        let error = json!([{"code": "NOT_FOUND", "path": ["input", "threadId"]}]);
        assert_eq!(refused, json!({"presence": null, "userErrors": error}), "{user} {thread}");
    }
    let mut chloes = follow(&app, "acme", "chloe", desk.clone()).await;
    app.apply(&format!(
        "agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", pool: [{{user: chloe, smsEnabled: false}}]}}]}}]"
    ))
    .await;
    set(&app, "ben", &desk, "COMPOSING").await;
    chloes.assert_silent().await;
}

#[tokio::test]
async fn a_user_is_present_in_eight_threads_at_most() {
    let app = TestApp::start().await;
    let mut threads = Vec::new();
    for n in 0..10 {
        app.receive(Text::new(format!("SM{n}")).from(&format!("+1303556110{n}"))).await;
        threads.push(json!(app.thread_of(&format!("SM{n}")).await.id.to_string()));
        set(&app, "ben", threads.last().unwrap(), "VIEWING").await;
        app.clock.advance(Duration::from_millis(100));
    }
    let mut present_in = Vec::new();
    for thread in &threads {
        present_in.push(present(&app, thread).await != json!([]));
    }
    assert_eq!(present_in, [&[false; 2][..], &[true; 8]].concat());
}

#[tokio::test]
#[ignore = "database servers only: instances tell each other over PostgreSQL"]
async fn presence_reaches_the_other_instances_on_a_server() {
    if !server_is("postgres") {
        return;
    }
    let mut one = TestApp::start().await;
    let mut two = one.start_second_server().await;
    let thread = thread_on(&one, DESK, "SM1").await;
    let mut anas = follow(&two, "acme", "ana", Value::Null).await;
    one.join_bus();
    two.join_bus();
    // The listener of the second server may not be connected yet, so the presence is reported until it arrives.
    wait::until("the presence on the second server", || async {
        one.clock.advance(Duration::from_secs(5));
        set(&one, "ben", &thread, "COMPOSING").await;
        (present(&two, &thread).await != json!([])).then_some(())
    })
    .await;
    assert_eq!(next(&mut anas).await, seen("ben", "COMPOSING", &thread));
    two.stop().await;
    one.stop().await;
}
