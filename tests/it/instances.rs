//! Two servers on one database.

use std::sync::Arc;
use std::time::Duration;

use partyline::events::Subscription;
use serde_json::json;

use crate::support::TestApp;
use crate::support::database::server_is;
use crate::support::directory::DESK;
use crate::support::socket::{Closed, Socket};

const INBOUND: &str = "subscription($after: EventCursor) { inboundMessage(after: $after) { cursor message { body } } }";

async fn bodies(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(socket.event().await["inboundMessage"]["message"]["body"].as_str().unwrap().to_owned());
    }
    bodies
}

/// Three subscribers of the second server, and one of the first.
async fn follow_both(one: &TestApp, two: &TestApp) -> Vec<Socket> {
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
async fn what_one_server_stores_the_other_tells_at_its_next_poll() {
    let one = TestApp::start().await;
    let two = one.beside().await;
    let mut sockets = follow_both(&one, &two).await;
    let mut expected = Vec::new();
    for round in 0..5 {
        // By turns, so that each has holes in what it has published itself.
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
async fn a_user_who_is_switched_off_by_another_process_is_shown_out() {
    let one = TestApp::start().await;
    let two = one.beside().await;
    let mut bens = two.socket(&two.token("acme", "ben")).await;
    one.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    two.services().feeds.poll().await.unwrap();
    // The socket may have looked at its user in between; it looks again, a second later at most.
    two.clock.advance(Duration::from_secs(1));
    assert_eq!(bens.next().await, Err(Closed(Some(4403))));
}

/// Whoever subscribes learns where the log ends before the poll does: what led there must be told all the same.
#[tokio::test]
async fn a_user_who_is_switched_off_is_shown_out_also_when_somebody_subscribes_first() {
    let one = TestApp::start().await;
    for texts in 0..2 {
        let two = one.beside().await;
        // Each round ends the tokens of the one before.
        let mut bens = two.socket(&two.token_of("acme", "ben", texts)).await;
        let (agency, feeds) = (two.agency("acme").await, &two.services().feeds);
        let begin = || Subscription::begin(Arc::clone(feeds), agency, None);
        let mut follower = begin().await.unwrap();
        for _ in 0..texts {
            two.text("+13035560001", DESK, "in the tail").await;
            follower.next().await.unwrap();
        }
        // Until Ben's socket has looked at him for all that happened so far, and waits.
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
async fn on_postgresql_servers_wake_each_other() {
    if !server_is("postgres") {
        return;
    }
    let mut one = TestApp::start().await;
    let mut two = one.beside().await;
    let mut sockets = follow_both(&one, &two).await;
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
    // Nobody polls and no clock moves: only the database wakes them.
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
