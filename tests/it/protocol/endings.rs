//! Closes by the server, and operations that the client ends while they run.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::peer::{Peer, Received, Upgrade};
use super::script::{
    advance_clock, case, connected, event, expect_close, expect_message, expect_nothing, follow, next, run, text,
};
use crate::support::directory::DESK;
use crate::support::{TestApp, wait};

const SECOND: Duration = Duration::from_secs(1);
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
const AWAY: &str = include_str!("../documents/protocol_endings_away.graphql");

/// A socket after the acknowledgement.
pub(super) async fn connect_as(app: &TestApp, user: &str, upgrade: Upgrade) -> Peer {
    let mut peer = upgrade.open(app.address).await;
    let authorization = format!("Bearer {}", app.token("acme", user).expose_secret());
    peer.send_json(&json!({"type": "connection_init", "payload": {"authorization": authorization}})).await;
    assert_eq!(peer.frame().await, json!({"type": "connection_ack"}));
    peer
}

/// A socket with a subscription that has delivered one event.
async fn subscriber(app: &TestApp, user: &str) -> Peer {
    let mut peer = connect_as(app, user, Upgrade::new()).await;
    let after = app.cursor(&app.token("acme", user)).await;
    let query = "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body } } }";
    ask(&mut peer, "1", query, json!({"after": after})).await;
    app.text("+13035560001", DESK, "hello").await;
    assert_eq!(peer.frame().await, event("1", "hello"));
    peer
}

pub(super) async fn ask(peer: &mut Peer, id: &str, query: &str, variables: Value) {
    let payload = json!({"query": query, "variables": variables});
    peer.send_json(&json!({"type": "subscribe", "id": id, "payload": payload})).await;
}

#[tokio::test]
async fn a_socket_is_closed_when_its_token_expires() {
    let (to_the_last_second, over) = (advance_clock(TOKEN_LIFETIME - SECOND), advance_clock(SECOND));
    run(vec![
        case("idle", [connected(), to_the_last_second.clone(), expect_nothing(), over.clone(), expect_close(4403)]),
        case(
            "with a subscription",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                to_the_last_second,
                expect_nothing(),
                text("two"),
                expect_message(event("1", "two")),
                over,
                expect_close(4403),
            ],
        ),
    ])
    .await;
}

#[tokio::test]
async fn deactivating_a_user_closes_all_their_sockets() {
    let app = TestApp::start().await;
    let mut idle = connect_as(&app, "ben", Upgrade::new()).await;
    let mut bens = subscriber(&app, "ben").await;
    let mut chloes = subscriber(&app, "chloe").await;
    assert_eq!(bens.frame().await, event("1", "hello"));
    let ben = app.token("acme", "ben");
    app.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    // No event reaches the idle socket; the server rechecks its user periodically.
    app.clock.advance(SECOND);
    assert_eq!(idle.next().await, Received::Closed(4403));
    assert_eq!(bens.next().await, Received::Closed(4403));
    let mut again = Upgrade::new().open(app.address).await;
    let payload = json!({"authorization": format!("Bearer {}", ben.expose_secret())});
    again.send_json(&json!({"type": "connection_init", "payload": payload})).await;
    assert_eq!(again.next().await, Received::Closed(4403));
    app.text("+13035560001", DESK, "to those who are left").await;
    assert_eq!(chloes.frame().await, event("1", "to those who are left"));
}

#[tokio::test]
async fn a_shutdown_closes_every_socket_with_1012() {
    let app = TestApp::start().await;
    let mut unacknowledged = Upgrade::new().open(app.address).await;
    let mut idle = connect_as(&app, "ana", Upgrade::new()).await;
    let mut chloes = subscriber(&app, "chloe").await;
    let mut waiting = connect_as(&app, "ana", Upgrade::new()).await;
    let held = app.block_writer(app.agency("acme").await).await;
    ask(&mut waiting, "1", AWAY, json!({})).await;
    held.wait_for_queued(1).await;
    app.drain.send_replace(true);
    let mut late = Upgrade::new().open(app.address).await;
    for peer in [&mut unacknowledged, &mut idle, &mut chloes, &mut waiting, &mut late] {
        assert_eq!(peer.next().await, Received::Closed(1012));
    }
    held.unblock().await;
}

#[tokio::test]
async fn a_database_outage_does_not_reject_a_token() {
    let app = TestApp::start().await;
    let mut peer = Upgrade::new().open(app.address).await;
    let token = app.token("acme", "ana");
    app.clock.advance(Duration::from_secs(2));
    app.db().close_by_ref().await.unwrap();
    let payload = json!({"authorization": format!("Bearer {}", token.expose_secret())});
    peer.send_json(&json!({"type": "connection_init", "payload": payload})).await;
    // 1013 means "try again later". With 4403, a client may stop reconnecting.
    assert_eq!(peer.next().await, Received::Closed(1013));
}

#[tokio::test]
async fn a_connection_ends_after_both_close_frames_or_a_timeout() {
    let app = TestApp::start().await;
    let mut responsive = connect_as(&app, "ana", Upgrade::new()).await;
    responsive.send_json(&json!({"type": "nothing"})).await;
    assert_eq!(responsive.next().await, Received::Closed(4400));
    // The client library answers the close frame, so no timeout is involved.
    assert_eq!(responsive.next().await, Received::Disconnected);

    let mut silent = connect_as(&app, "ana", Upgrade::new()).await;
    silent.send_json(&json!({"type": "nothing"})).await;
    assert_eq!(silent.next().await, Received::Closed(4400));
    let mut passed = 0;
    let stream = silent.stream();
    wait::until("the server disconnects", || {
        let ended = matches!(stream.try_read(&mut [0; 16]), Ok(0));
        passed += u64::from(!ended);
        if !ended {
            app.clock.advance(SECOND);
        }
        async move { ended.then_some(()) }
    })
    .await;
    assert!(passed >= 2, "after {passed} s");
}

/// The result of a query or mutation is discarded if the client has ended the operation.
#[tokio::test]
async fn an_operation_that_the_client_ended_delivers_no_result() {
    let app = TestApp::start().await;
    let mut peer = connect_as(&app, "ana", Upgrade::new()).await;
    let held = app.block_writer(app.agency("acme").await).await;
    ask(&mut peer, "1", AWAY, json!({})).await;
    held.wait_for_queued(1).await;
    // Meanwhile, the socket stays responsive.
    peer.send_json(&json!({"type": "ping"})).await;
    assert_eq!(peer.frame().await, json!({"type": "pong"}));
    peer.send_json(&json!({"type": "complete", "id": "1"})).await;
    ask(&mut peer, "2", AWAY, json!({})).await;
    // The pong shows that the server has read `complete`.
    peer.send_json(&json!({"type": "ping"})).await;
    assert_eq!(peer.frame().await, json!({"type": "pong"}));
    held.unblock().await;
    let done = json!({"setAvailability": {"userErrors": []}});
    assert_eq!(peer.frame().await, next("2", done.clone()));
    assert_eq!(peer.frame().await, json!({"type": "complete", "id": "2"}));
    // The id is free again.
    ask(&mut peer, "1", AWAY, json!({})).await;
    assert_eq!(peer.frame().await, next("1", done));
    assert_eq!(peer.frame().await, json!({"type": "complete", "id": "1"}));
}

#[tokio::test]
async fn an_id_is_in_use_until_its_result_is_delivered() {
    let app = TestApp::start().await;
    let held = app.block_writer(app.agency("acme").await).await;
    let mut peer = connect_as(&app, "ana", Upgrade::new()).await;
    ask(&mut peer, "1", AWAY, json!({})).await;
    held.wait_for_queued(1).await;
    ask(&mut peer, "1", "{ viewer { key } }", json!({})).await;
    assert_eq!(peer.next().await, Received::Closed(4409));
    held.unblock().await;
}

/// Ids are scoped to a socket: the same id on two sockets is not a duplicate.
#[tokio::test]
async fn ids_are_independent_between_sockets() {
    let app = TestApp::start().await;
    let (mut one, mut two) = (subscriber(&app, "ana").await, subscriber(&app, "ana").await);
    assert_eq!(one.frame().await, event("1", "hello"));
    one.send_json(&json!({"type": "complete", "id": "1"})).await;
    one.send_json(&json!({"type": "ping"})).await;
    assert_eq!(one.frame().await, json!({"type": "pong"}));
    app.text("+13035560001", DESK, "again").await;
    assert_eq!(two.frame().await, event("1", "again"));
    one.send_json(&json!({"type": "nothing"})).await;
    assert_eq!(one.next().await, Received::Closed(4400));
    app.text("+13035560001", DESK, "and again").await;
    assert_eq!(two.frame().await, event("1", "and again"));
}
