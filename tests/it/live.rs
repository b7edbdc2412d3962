//! Subscriptions: no event is skipped, and none is delivered to the wrong user.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::directory::DESK;
use crate::support::random::Random;
use crate::support::socket::{Closed, Socket};

const INBOUND: &str = include_str!("documents/live_inbound.graphql");
const THREADS: &str = include_str!("documents/live_threads.graphql");

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_subscriber_that_reconnects_sees_the_whole_log_in_order() {
    const MESSAGES: usize = 1_000;
    let mut app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let mut after = app.cursor(&ana).await;
    let mut random = Random::new(1);
    let mut bodies: Vec<String> = Vec::new();
    let mut sent = 0;
    let mut socket = subscribed(&app, &ana, INBOUND, &after).await;
    while bodies.len() < MESSAGES {
        // Texts arrive in bursts; the subscriber reads some of them and may then be disconnected.
        let burst = random.below(40) + 1;
        let texts = (sent..(sent + burst).min(MESSAGES))
            .map(|n| app.text(format!("+1303556{:04}", n % 50), DESK, format!("text {n}")));
        futures_util::future::join_all(texts).await;
        sent = (sent + burst).min(MESSAGES);
        if bodies.len() < MESSAGES / 2 && sent >= MESSAGES / 2 {
            app = app.restart().await;
            socket = subscribed(&app, &ana, INBOUND, &after).await;
        }
        for _ in 0..random.below(sent - bodies.len() + 1) {
            let event = socket.event().await;
            after = event["inboundMessage"]["cursor"].clone();
            bodies.push(event["inboundMessage"]["message"]["body"].as_str().unwrap().to_owned());
        }
        if random.below(3) == 0 {
            socket = subscribed(&app, &ana, INBOUND, &after).await;
        }
    }
    // The events follow the order of the log in the database.
    assert_eq!(bodies, app.bodies_in_log_order("acme").await);
    let mut all = bodies;
    all.sort();
    let mut expected: Vec<_> = (0..MESSAGES).map(|n| format!("text {n}")).collect();
    expected.sort();
    assert_eq!(all, expected);
}

async fn subscribed(app: &TestApp, token: &SecretString, query: &str, after: &Value) -> Socket {
    let mut socket = app.socket(token).await;
    socket.subscribe("1", query, json!({"after": after})).await;
    socket
}

#[tokio::test]
async fn a_member_whose_sms_is_disabled_loses_the_stream_immediately() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    let mut bens = subscribed(&app, &ben, INBOUND, &app.cursor(&ben).await).await;
    let mut anas = subscribed(&app, &ana, INBOUND, &app.cursor(&ana).await).await;
    app.text("+13035560001", DESK, "first").await;
    assert_eq!(bens.event().await["inboundMessage"]["message"]["body"], "first");
    let thread = anas.event().await["inboundMessage"]["thread"]["id"].clone();
    set_sms(&app, &ana, "ben", false).await;
    let gone = app
        .graphql(&ben, "query($id: ID!) { node(id: $id) { id } threads { totalCount } }", json!({"id": thread}))
        .await;
    assert_eq!(gone, json!({"data": {"node": null, "threads": {"totalCount": 0}}}));
}

#[tokio::test]
async fn a_member_whose_sms_is_disabled_receives_nothing() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    let mut anas = subscribed(&app, &ana, INBOUND, &app.cursor(&ana).await).await;
    let mut bens = app.socket(&ben).await;
    let after = app.cursor(&ben).await;
    let directory = "subscription($after: EventCursor) { directoryUpdated(after: $after) { nodeId } }";
    bens.subscribe("1", INBOUND, json!({"after": after})).await;
    bens.subscribe("2", directory, json!({"after": after})).await;
    set_sms(&app, &ana, "ben", false).await;
    assert_eq!(bens.next().await.unwrap()["id"], "2");
    app.text("+13035560001", DESK, "hidden").await;
    assert_eq!(anas.event().await["inboundMessage"]["message"]["body"], "hidden");
    // A later event of the directory shows that the stream has passed the text.
    app.graphql(&ana, "mutation { setAvailability(input: {availability: AWAY}) { userErrors { code } } }", json!({}))
        .await;
    let next = bens.next().await.unwrap();
    assert_eq!(next["id"], "2", "{next}");
}

#[tokio::test]
async fn a_user_who_loses_a_thread_gets_a_final_event() {
    let app = TestApp::start().await;
    let (ana, dev) = (app.token("acme", "ana"), app.token("acme", "dev"));
    app.text("+13035560001", DESK, "hello").await;
    let thread = app.all_threads(&ana).await.remove(0);
    let devs_id = app.user_id("acme", "dev").await;
    let mut devs = subscribed(&app, &dev, THREADS, &app.cursor(&dev).await).await;
    let transfer = "mutation($thread: ID!, $to: ID!) { transferThread(input: {threadId: $thread, toUserId: $to, note: \"yours\"}) {
        thread { id } userErrors { code } } }";
    app.graphql(&ana, transfer, json!({"thread": thread, "to": devs_id})).await;
    let got = devs.event().await;
    assert_eq!(got["threadUpdated"]["thread"]["assignee"]["key"], "dev", "{got}");
    let bens_id = app.user_id("acme", "ben").await;
    let transferred = app.graphql(&dev, transfer, json!({"thread": thread, "to": bens_id})).await;
    assert_eq!(transferred["data"]["transferThread"], json!({"thread": null, "userErrors": []}));
    let lost = devs.event().await;
    assert_eq!(lost["threadUpdated"]["threadId"], thread);
    assert_eq!(lost["threadUpdated"]["thread"], Value::Null);
}

#[tokio::test]
async fn each_routed_user_is_notified_live() {
    let app = TestApp::start().await;
    let query = "subscription($after: EventCursor) { notificationAdded(after: $after) { notification { kind user { key } message { body } resolvedAt } } }";
    let mut sockets = Vec::new();
    for user in ["ben", "chloe"] {
        let token = app.token("acme", user);
        let socket = subscribed(&app, &token, query, &app.cursor(&token).await).await;
        sockets.push((user, socket));
    }
    app.text("+13035560001", DESK, "hello").await;
    for (user, socket) in &mut sockets {
        let event = socket.event().await;
        let expected = json!({"kind": "INBOUND_CLIENT_MESSAGE", "user": {"key": user}, "message": {"body": "hello"}, "resolvedAt": null});
        assert_eq!(event["notificationAdded"]["notification"], expected);
    }
}

#[tokio::test]
async fn a_socket_is_closed_with_its_token_its_user_and_its_server() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    let mut bens = subscribed(&app, &ben, INBOUND, &app.cursor(&ben).await).await;
    app.text("+13035560001", DESK, "hello").await;
    bens.event().await;
    app.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    app.text("+13035560001", DESK, "not for Ben").await;
    assert_eq!(bens.next().await, Err(Closed(Some(4403))));

    let mut anas = app.socket(&ana).await;
    app.clock.advance(Duration::from_secs(13 * 60 * 60));
    assert_eq!(anas.next().await, Err(Closed(Some(4403))));

    let mut others = app.socket(&app.token("other", "olga")).await;
    app.stop().await;
    assert_eq!(others.next().await, Err(Closed(Some(1012))));
}

#[tokio::test]
async fn a_cursor_ahead_of_the_log_has_expired() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let cursor =
        app.graphql(&ana, "{ eventCursor }", json!({})).await["data"]["eventCursor"].as_str().unwrap().to_owned();
    let (log, _) = cursor.split_at(cursor.len() - 16);
    let mut socket = subscribed(&app, &ana, INBOUND, &json!(format!("{log}{:016x}", 1_000_000))).await;
    let answer = socket.next().await.unwrap();
    assert_eq!(answer["type"], "error", "{answer}");
    assert_eq!(answer["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED", "{answer}");
    // The socket itself stays open.
    socket.subscribe("2", "query { viewer { key } }", json!({})).await;
    assert_eq!(socket.event().await["viewer"]["key"], "ana");
}

async fn set_sms(app: &TestApp, admin: &SecretString, user: &str, on: bool) {
    let user = app.user_id("acme", user).await;
    let number = app.number_id("acme", DESK).await;
    let query = "mutation($number: ID!, $user: ID!, $on: Boolean!) {
        updatePoolMember(input: {phoneNumberId: $number, userId: $user, smsEnabled: $on}) { userErrors { code } } }";
    let answer = app.graphql(admin, query, json!({"number": number, "user": user, "on": on})).await;
    assert_eq!(answer["data"]["updatePoolMember"]["userErrors"], json!([]), "{answer}");
}
