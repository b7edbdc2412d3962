//! `threadCountsUpdated`: the numbers of threads while they change.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::directory::{DESK, NURSES};
use crate::support::socket::Socket;
use crate::support::{TestApp, Text};

const LIVE: &str = include_str!("documents/live_counts_live.graphql");
const NOW: &str = include_str!("documents/live_counts_now.graphql");

async fn follow(app: &TestApp, user: &str, numbers: Value) -> Socket {
    let mut socket = app.socket(&app.token("acme", user)).await;
    socket.subscribe("1", LIVE, json!({"numbers": numbers})).await;
    socket
}

async fn next(socket: &mut Socket) -> Value {
    socket.event().await["threadCountsUpdated"].clone()
}

async fn now(app: &TestApp, user: &str, numbers: Value) -> Value {
    let answer = app.graphql(&app.token("acme", user), NOW, json!({"numbers": numbers})).await;
    answer["data"]["threadCounts"].clone()
}

async fn receive(app: &TestApp, sid: &str, from: &str, number: &str) -> Value {
    app.receive(Text::new(sid).from(from).to(number)).await;
    json!(app.thread_of(sid).await.id.to_string())
}

async fn act(app: &TestApp, user: &str, mutation: &str, thread: &Value) {
    let document = format!("mutation {{ {mutation}(input: {{threadId: {thread}}}) {{ userErrors {{ message }} }} }}");
    let answer = app.graphql(&app.token("acme", user), &document, json!({})).await;
    assert_eq!(answer["data"][mutation]["userErrors"], json!([]), "{answer}");
}

#[tokio::test]
async fn the_current_counts_come_first_and_then_each_change() {
    let app = TestApp::start().await;
    let first = receive(&app, "SM1", "+13035560001", DESK).await;
    let mut bens = follow(&app, "ben", Value::Null).await;
    let mut anas = follow(&app, "ana", json!([app.number_id("acme", NURSES).await])).await;
    let mut nobodys = follow(&app, "ana", json!(["num_x"])).await;
    assert_eq!(next(&mut bens).await, now(&app, "ben", Value::Null).await);
    let none = json!({"mine": 0, "unclaimed": 0, "open": 0, "closed": 0, "needsReply": 0, "mineUnread": 0});
    assert_eq!((next(&mut anas).await, next(&mut nobodys).await), (none.clone(), none.clone()));
    for mutation in ["claimThread", "markThreadRead", "markThreadUnread", "releaseThread", "closeThread"] {
        // Only the assignee or an admin may close it.
        let user = if mutation == "closeThread" { "ana" } else { "ben" };
        act(&app, user, mutation, &first).await;
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(next(&mut bens).await, now(&app, "ben", Value::Null).await, "{mutation}");
    }
    receive(&app, "SM2", "+13035560002", NURSES).await;
    app.clock.advance(Duration::from_secs(1));
    let one = json!({"mine": 0, "unclaimed": 1, "open": 1, "closed": 0, "needsReply": 1, "mineUnread": 0});
    assert_eq!(next(&mut anas).await, one);
    // Ben is not in the pool of the nurses.
    for socket in [&mut bens, &mut nobodys] {
        socket.assert_silent().await;
    }
}

#[tokio::test]
async fn many_changes_within_a_second_are_delivered_as_one() {
    let app = TestApp::start().await;
    let mut bens = follow(&app, "ben", Value::Null).await;
    assert_eq!(next(&mut bens).await["unclaimed"], 0);
    for n in 0..9 {
        receive(&app, &format!("SM{n}"), &format!("+1303556110{n}"), DESK).await;
    }
    bens.assert_silent().await;
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(next(&mut bens).await["unclaimed"], 9);
    app.clock.advance(Duration::from_secs(1));
    bens.assert_silent().await;
}

#[tokio::test]
async fn counts_follow_the_access_of_the_viewer() {
    let app = TestApp::start().await;
    receive(&app, "SM1", "+13035560001", DESK).await;
    let mut chloes = follow(&app, "chloe", Value::Null).await;
    assert_eq!(next(&mut chloes).await["unclaimed"], 1);
    for (enabled, expected) in [(false, 0), (true, 1)] {
        app.apply(&format!(
            "agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", pool: [{{user: chloe, smsEnabled: {enabled}}}]}}]}}]"
        ))
        .await;
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(next(&mut chloes).await["unclaimed"], expected, "smsEnabled: {enabled}");
    }
}
