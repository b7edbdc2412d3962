//! Two servers on one database.

use std::sync::Arc;
use std::time::Duration;

use partyline::events::Subscription;
use serde_json::json;

use crate::support::TestApp;
use crate::support::database::server_is;
use crate::support::directory::DESK;
use crate::support::socket::{Closed, Socket};

const INBOUND: &str = include_str!("documents/instances_inbound.graphql");

async fn bodies(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(socket.event().await["inboundMessage"]["message"]["body"].as_str().unwrap().to_owned());
    }
    bodies
}

/// Three subscribers of the second server, and one of the first.
async fn subscribe_to_both(one: &TestApp, two: &TestApp) -> Vec<Socket> {
    let ana = one.token("acme", "ana");
    let after = one.cursor(&ana).await;
    let mut sockets = Vec::new();
    for app in [one, two, two, two] {
        let mut socket = app.socket(&ana).await;
        socket.subscribe("1", INBOUND, json!({"after": after})).await;
        sockets.push(socket);
    }
    sockets
}

#[tokio::test]
async fn an_event_of_one_server_reaches_the_other_at_its_next_poll() {
    let one = TestApp::start().await;
    let two = one.start_second_server().await;
    let mut sockets = subscribe_to_both(&one, &two).await;
    let mut expected = Vec::new();
    for round in 0..5 {
        // Alternately, so that each server's own events have gaps.
        for (name, app) in [("one", &one), ("two", &two), ("one again", &one)] {
            let body = format!("{name} {round}");
            app.text("+13035560001", DESK, &body).await;
            expected.push(body);
        }
        one.services().feeds.poll().await.unwrap();
        two.services().feeds.poll().await.unwrap();
    }
    for socket in &mut sockets {
        assert_eq!(bodies(socket, expected.len()).await, expected);
    }
}

#[tokio::test]
async fn a_user_deactivated_by_another_process_is_disconnected() {
    let one = TestApp::start().await;
    let two = one.start_second_server().await;
    let mut bens = two.socket(&two.token("acme", "ben")).await;
    one.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    two.services().feeds.poll().await.unwrap();
    // The socket may just have checked its user; it checks again at most a second later.
    two.clock.advance(Duration::from_secs(1));
    assert_eq!(bens.next().await, Err(Closed(Some(4403))));
}

/// A new subscription can move the head of the log past events that the poll has not published; they must still be
/// published.
#[tokio::test]
async fn a_deactivated_user_is_disconnected_even_after_a_new_subscription() {
    let one = TestApp::start().await;
    for texts in 0..2 {
        let two = one.start_second_server().await;
        // Each round ends the tokens of the previous one.
        let mut bens = two.socket(&two.token_of_generation("acme", "ben", texts)).await;
        let (agency, feeds) = (two.agency("acme").await, &two.services().feeds);
        let begin = || Subscription::begin(Arc::clone(feeds), agency, None);
        let mut follower = begin().await.unwrap();
        for _ in 0..texts {
            two.text("+13035560001", DESK, "in the tail").await;
            follower.next().await.unwrap();
        }
        // Until Ben's socket has checked its user after all events so far, and waits.
        for _ in 0..6 {
            two.clock.advance(Duration::from_secs(1));
            bens.send(json!({"type": "ping"})).await;
            assert_eq!(bens.next().await.unwrap()["type"], "pong");
            two.directory("acme").await;
        }
        one.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
        let _second = begin().await.unwrap();
        follower.next().await.unwrap();
        two.services().feeds.poll().await.unwrap();
        two.clock.advance(Duration::from_secs(1));
        assert_eq!(bens.next().await, Err(Closed(Some(4403))), "after {texts} texts");
        one.apply("agencies: [{key: acme, users: [{key: ben, active: true}]}]").await;
    }
}

#[tokio::test]
async fn servers_on_postgresql_wake_each_other() {
    if !server_is("postgres") {
        return;
    }
    let mut one = TestApp::start().await;
    let mut two = one.start_second_server().await;
    let mut sockets = subscribe_to_both(&one, &two).await;
    one.join_bus();
    two.join_bus();
    let mut expected = Vec::new();
    for round in 0..20 {
        for (name, app) in [("one", &one), ("two", &two)] {
            let body = format!("{name} {round}");
            app.text("+13035560001", DESK, &body).await;
            expected.push(body);
        }
    }
    // Without polls and with the clock standing still, only the database's notifications wake them.
    for socket in &mut sockets {
        assert_eq!(bodies(socket, expected.len()).await, expected);
    }
    let mut bens = two.socket(&two.token("acme", "ben")).await;
    one.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    two.clock.advance(Duration::from_secs(1));
    assert_eq!(bens.next().await, Err(Closed(Some(4403))));
    two.stop().await;
    one.stop().await;
}
