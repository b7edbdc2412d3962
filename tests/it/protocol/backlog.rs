//! Subscribers that do not read: they can resume later without gaps, and they do not delay other subscribers.

use std::time::Duration;

use futures_util::future::join_all;
use partyline::entity::{agency_position, event};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::endings::{ask, connect_as};
use super::peer::{Peer, Received, Upgrade};
use crate::support::directory::DESK;
use crate::support::{TestApp, wait};

/// The maximum lag of a subscriber, in events.
const MAX_LAG: usize = 1_024;
/// A number of maximum-length texts that no connection can buffer if each is repeated 60 times.
const LONG_TEXTS: usize = 8;
const SECOND: Duration = Duration::from_secs(1);

/// A subscription to the texts of the desk that selects each body `times` times. A connection buffers a few megabytes,
/// which a few texts can fill this way.
fn subscription(times: usize) -> String {
    let copies: Vec<_> = (0..times).map(|n| format!("b{n}: body")).collect();
    format!(
        "subscription($after: EventCursor) {{ inboundMessage(after: $after) {{ cursor message {{ body {} }} }} }}",
        copies.join(" ")
    )
}

/// A subscriber with a small receive buffer.
async fn slow_subscriber(app: &TestApp, times: usize, after: &Value) -> Peer {
    let mut peer = connect_as(app, "ana", Upgrade::new().with_small_receive_buffer()).await;
    ask(&mut peer, "1", &subscription(times), json!({"after": after})).await;
    peer
}

/// Receives a text of the maximum length.
async fn long_text(app: &TestApp) {
    app.text("+13035560001", DESK, "x".repeat(50_000)).await;
}

/// Receives short texts concurrently.
async fn short_texts(app: &TestApp, numbers: std::ops::Range<usize>) {
    join_all(numbers.map(|n| app.text(format!("+1303556{:04}", n % 50), DESK, format!("text {n}")))).await;
}

async fn current_cursor(app: &TestApp) -> Value {
    app.cursor(&app.token("acme", "ana")).await
}

fn body(frame: &Value) -> String {
    assert_eq!(frame["type"], "next", "{frame:.300}");
    frame["payload"]["data"]["inboundMessage"]["message"]["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_lagging_subscriber_gets_a_resume_cursor_and_misses_nothing() {
    let app = TestApp::start().await;
    let mut peer = slow_subscriber(&app, 60, &current_cursor(&app).await).await;
    long_text(&app).await;
    let first = peer.frame().await;
    for _ in 1..LONG_TEXTS {
        long_text(&app).await;
    }
    // The buffers are full by now or soon, so no further events are handed to the connection.
    for burst in 0..20 {
        short_texts(&app, burst * 64..(burst + 1) * 64).await;
    }
    let mut bodies = vec![body(&first)];
    let mut seen = first["payload"]["data"]["inboundMessage"]["cursor"].clone();
    let error = loop {
        let frame = peer.frame().await;
        if frame["type"] == "error" {
            break frame;
        }
        bodies.push(body(&frame));
        seen = frame["payload"]["data"]["inboundMessage"]["cursor"].clone();
    };
    assert!(
        bodies.len() < LONG_TEXTS + 20 * 64 - MAX_LAG,
        "{} events were sent to a peer that did not read",
        bodies.len()
    );
    let extensions = &error["payload"][0]["extensions"];
    assert_eq!((&error["id"], &extensions["code"], &extensions["cursor"]), (&json!("1"), &json!("RESUME"), &seen));
    // The operation has ended but the socket has not; the client resumes from the cursor, however old it is.
    peer.send_json(&json!({"type": "ping"})).await;
    assert_eq!(peer.frame().await, json!({"type": "pong"}));
    ask(&mut peer, "1", &subscription(1), json!({"after": extensions["cursor"]})).await;
    let expected = app.bodies_in_log_order("acme").await;
    while bodies.len() < expected.len() {
        bodies.push(body(&peer.frame().await));
    }
    assert_eq!(bodies.len(), LONG_TEXTS + 20 * 64);
    assert!(bodies == expected, "all texts in log order");
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_dropped_after_ten_seconds() {
    let app = TestApp::start().await;
    let mut peer = slow_subscriber(&app, 60, &current_cursor(&app).await).await;
    for _ in 0..LONG_TEXTS {
        long_text(&app).await;
    }
    // The test cannot observe when the server starts to wait, so it advances the clock until the server has closed the
    // connection and sending fails.
    let mut passed = 0;
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let disconnected = async {
        while peer.try_send(Message::text(json!({"type": "pong"}).to_string())).await.is_ok() {
            ticks.tick().await;
            app.clock.advance(SECOND);
            passed += 1;
        }
    };
    wait::within("the server disconnects", disconnected).await;
    assert!(passed >= 10, "after {passed} s");
    let mut frames = 0;
    while let Received::Frame(_) = peer.next().await {
        frames += 1;
    }
    assert!(frames < LONG_TEXTS, "the connection buffered everything");
}

/// The server answers each ping, but a peer that only pings and never reads is disconnected.
#[tokio::test]
async fn a_socket_that_pings_but_does_not_read_is_dropped() {
    let app = TestApp::start().await;
    let mut peer = connect_as(&app, "ana", Upgrade::new().with_small_receive_buffer()).await;
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let mut pinging = Box::pin(async {
        // Ends once the server stops reading or disconnects.
        while peer.try_send(Message::Ping(vec![b'p'; 125].into())).await.is_ok() {}
    });
    let disconnected = async {
        loop {
            tokio::select! {
                () = &mut pinging => return,
                _ = ticks.tick() => app.clock.advance(SECOND),
            }
        }
    };
    wait::within("the server disconnects", disconnected).await;
}

/// A full connection does not delay the close. A peer that reads on finds the reason in the close frame.
#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_full_connection_is_closed_on_token_expiry_and_on_shutdown() {
    let app = TestApp::start().await;
    let mut peer = slow_subscriber(&app, 60, &current_cursor(&app).await).await;
    // The token expires sooner than the write timeout.
    app.clock.advance(Duration::from_secs(3_595));
    for _ in 0..3 {
        long_text(&app).await;
    }
    app.clock.advance(Duration::from_secs(5));
    assert_eq!(last(&mut peer).await, Received::Closed(4403));

    let mut peer = slow_subscriber(&app, 60, &current_cursor(&app).await).await;
    for _ in 0..3 {
        long_text(&app).await;
    }
    app.drain.send_replace(true);
    assert_eq!(last(&mut peer).await, Received::Closed(1012));
}

async fn last(peer: &mut Peer) -> Received {
    loop {
        match peer.next().await {
            Received::Frame(frame) => drop(body(&frame)),
            last => return last,
        }
    }
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn sockets_that_do_not_read_do_not_delay_others() {
    const SLOW_PEERS: usize = 50;
    const TEXTS: usize = 2_048;
    let app = TestApp::start().await;
    let after = current_cursor(&app).await;
    long_text(&app).await;
    let mut reader = connect_as(&app, "ana", Upgrade::new()).await;
    ask(&mut reader, "1", &subscription(0), json!({"after": after})).await;
    let mut bodies = vec![body(&reader.frame().await)];
    let mut slow_peers = Vec::new();
    for _ in 0..SLOW_PEERS {
        let peer = slow_subscriber(&app, 80, &after).await;
        // Each subscription is blocked in its first event once that event begins to arrive.
        wait::within("an event begins", peer.stream().peek(&mut [0])).await.unwrap();
        slow_peers.push(peer);
    }
    for burst in 0..TEXTS / 64 {
        short_texts(&app, burst * 64..(burst + 1) * 64).await;
        for _ in 0..64 {
            bodies.push(body(&reader.frame().await));
        }
    }
    assert!(bodies == app.bodies_in_log_order("acme").await, "all texts in log order");
    // Once they read again, they get the cursor from which to resume.
    let mut slow_peer = slow_peers.pop().unwrap();
    let error = loop {
        let frame = slow_peer.frame().await;
        if frame["type"] == "error" {
            break frame;
        }
    };
    assert_eq!(error["payload"][0]["extensions"]["code"], "RESUME");
}

#[tokio::test]
async fn a_cursor_before_a_gap_in_the_log_has_expired() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let mut cursors = vec![current_cursor(&app).await];
    for n in 0..4 {
        short_texts(&app, n..n + 1).await;
        cursors.push(current_cursor(&app).await);
    }
    // After a restart, the server has no events in memory.
    let app = app.restart().await;
    let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
    let events = app.events(acme).await;
    let first_kept = events[events.len() - 4].position;
    let position = agency_position::Entity::update_many().filter(agency_position::Column::AgencyId.eq(acme));
    let position = position.col_expr(agency_position::Column::FirstKept, Expr::value(first_kept));
    position.exec(&conn).await.unwrap();
    let mut peer = connect_as(&app, "ana", Upgrade::new()).await;
    ask(&mut peer, "1", &subscription(0), json!({"after": cursors[0]})).await;
    assert_expired(&peer.frame().await);
    // A gap in the log: events before the missing row are delivered, later ones are not.
    let row = event::Entity::delete_many().filter(event::Column::AgencyId.eq(acme));
    row.filter(event::Column::Position.eq(first_kept + 2)).exec(&conn).await.unwrap();
    ask(&mut peer, "1", &subscription(0), json!({"after": cursors[1]})).await;
    assert_eq!(body(&peer.frame().await), "text 1");
    assert_expired(&peer.frame().await);
    ask(&mut peer, "1", &subscription(0), json!({"after": cursors[3]})).await;
    assert_eq!(body(&peer.frame().await), "text 3");
    conn.close().await.unwrap();
}

fn assert_expired(frame: &Value) {
    assert_eq!((&frame["type"], &frame["id"]), (&json!("error"), &json!("1")), "{frame}");
    assert_eq!(frame["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED", "{frame}");
}

/// Eight peers never read. Each has two operations, whose responses are shared with peers that do read: a blocked frame
/// must not stop another operation of the same socket from producing a shared response.
#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_blocked_peer_does_not_delay_peers_that_share_its_responses() {
    const TEXTS: usize = 400;
    let app = TestApp::start().await;
    let after = current_cursor(&app).await;
    join_all((0..TEXTS).map(|n| app.text(format!("+1303556{:04}", n % 50), DESK, "x".repeat(1_500)))).await;
    let query = |field: &str| {
        format!(
            "subscription($after: EventCursor) {{ {field}(after: $after) {{ cursor thread {{ lastMessage {{ body }} }} }} }}"
        )
    };
    let mut slow_peers = Vec::new();
    for _ in 0..8 {
        let mut peer = connect_as(&app, "ana", Upgrade::new().with_small_receive_buffer()).await;
        ask(&mut peer, "1", &query("inboundMessage"), json!({"after": after})).await;
        ask(&mut peer, "2", &query("threadUpdated"), json!({"after": after})).await;
        slow_peers.push(peer);
    }
    // The clock stands still, so none of them reaches the write timeout.
    for field in ["inboundMessage", "threadUpdated"] {
        let mut peer = connect_as(&app, "ana", Upgrade::new()).await;
        ask(&mut peer, "1", &query(field), json!({"after": after})).await;
        for _ in 0..TEXTS {
            assert!(peer.frame().await["payload"]["data"][field]["thread"]["lastMessage"]["body"].is_string());
        }
    }
}
