//! Subscribers that do not read: what they miss they get later, and nobody else is kept waiting.

use std::time::Duration;

use futures_util::future::join_all;
use partyline::entity::{agency_position, event};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::endings::{ask, introduced_as};
use super::peer::{Got, Peer, Upgrade};
use crate::support::directory::DESK;
use crate::support::{TestApp, wait};

/// How far behind a subscriber may fall.
const MOST_BEHIND: usize = 1_024;
/// As many texts as long as can be as no connection holds, if each is repeated 60 times.
const LONG_TEXTS: usize = 8;
const SECOND: Duration = Duration::from_secs(1);

/// The texts of the desk, each so many times over: a connection holds a few megabytes that nobody
/// has read, and those are to be filled with few texts.
fn wide(times: usize) -> String {
    let copies: Vec<_> = (0..times).map(|n| format!("b{n}: body")).collect();
    format!(
        "subscription($after: EventCursor) {{ inboundMessage(after: $after) {{ cursor message {{ body {} }} }} }}",
        copies.join(" ")
    )
}

/// A subscriber whose connection holds little that is not read.
async fn subscribed(app: &TestApp, times: usize, after: &Value) -> Peer {
    let mut peer = introduced_as(app, "ana", Upgrade::new().with_little_room()).await;
    ask(&mut peer, "1", &wide(times), json!({"after": after})).await;
    peer
}

/// A text as long as one can be.
async fn long_text(app: &TestApp) {
    app.text("+13035560001", DESK, "x".repeat(50_000)).await;
}

/// Short texts, many at a time.
async fn short_texts(app: &TestApp, numbers: std::ops::Range<usize>) {
    join_all(numbers.map(|n| app.text(format!("+1303556{:04}", n % 50), DESK, format!("text {n}")))).await;
}

async fn now(app: &TestApp) -> Value {
    app.cursor(&app.token("acme", "ana")).await
}

fn body(frame: &Value) -> String {
    assert_eq!(frame["type"], "next", "{frame:.300}");
    frame["payload"]["data"]["inboundMessage"]["message"]["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_falls_behind_is_told_to_resume_and_misses_nothing() {
    let app = TestApp::start().await;
    let mut peer = subscribed(&app, 60, &now(&app).await).await;
    long_text(&app).await;
    let first = peer.frame().await;
    for _ in 1..LONG_TEXTS {
        long_text(&app).await;
    }
    // The connection is full by now, or soon: the subscriber is handed nothing more.
    for burst in 0..20 {
        short_texts(&app, burst * 64..(burst + 1) * 64).await;
    }
    let mut bodies = vec![body(&first)];
    let mut seen = first["payload"]["data"]["inboundMessage"]["cursor"].clone();
    let told = loop {
        let frame = peer.frame().await;
        if frame["type"] == "error" {
            break frame;
        }
        bodies.push(body(&frame));
        seen = frame["payload"]["data"]["inboundMessage"]["cursor"].clone();
    };
    assert!(bodies.len() < LONG_TEXTS + 20 * 64 - MOST_BEHIND, "{} were sent to who did not read", bodies.len());
    let extensions = &told["payload"][0]["extensions"];
    assert_eq!((&told["id"], &extensions["code"], &extensions["cursor"]), (&json!("1"), &json!("RESUME"), &seen));
    // The operation is over and the socket is not; it goes on from there, however far back that is.
    peer.say_json(&json!({"type": "ping"})).await;
    assert_eq!(peer.frame().await, json!({"type": "pong"}));
    ask(&mut peer, "1", &wide(1), json!({"after": extensions["cursor"]})).await;
    let expected = app.bodies_in_log_order("acme").await;
    while bodies.len() < expected.len() {
        bodies.push(body(&peer.frame().await));
    }
    assert_eq!(bodies.len(), LONG_TEXTS + 20 * 64);
    assert!(bodies == expected, "the log in its order");
}

#[tokio::test]
async fn a_socket_that_does_not_read_is_dropped_in_ten_seconds() {
    let app = TestApp::start().await;
    let mut peer = subscribed(&app, 60, &now(&app).await).await;
    for _ in 0..LONG_TEXTS {
        long_text(&app).await;
    }
    // Whether the server waits by now cannot be seen from outside, so time goes on until it has gone:
    // then what is said to it comes back.
    let mut passed = 0;
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let gone = async {
        while peer.try_say(Message::text(json!({"type": "pong"}).to_string())).await.is_ok() {
            ticks.tick().await;
            app.clock.advance(SECOND);
            passed += 1;
        }
    };
    wait::within("the server goes", gone).await;
    assert!(passed >= 10, "after {passed} s");
    let mut frames = 0;
    while let Got::Frame(_) = peer.next().await {
        frames += 1;
    }
    assert!(frames < LONG_TEXTS, "all of it had fitted into the connection");
}

/// Each ping is answered: who only asks, and never reads, is not listened to for ever.
#[tokio::test]
async fn a_socket_that_pings_and_does_not_read_is_dropped_as_well() {
    let app = TestApp::start().await;
    let mut peer = introduced_as(&app, "ana", Upgrade::new().with_little_room()).await;
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let mut pinging = Box::pin(async {
        // Until it is not listened to, or has been cut off.
        while peer.try_say(Message::Ping(vec![b'p'; 125].into())).await.is_ok() {}
    });
    let gone = async {
        loop {
            tokio::select! {
                () = &mut pinging => return,
                _ = ticks.tick() => app.clock.advance(SECOND),
            }
        }
    };
    wait::within("the server goes", gone).await;
}

/// Nor does a full connection keep a socket alive; who reads on hears why it ended.
#[tokio::test]
async fn a_full_connection_ends_with_its_token_and_its_server() {
    let app = TestApp::start().await;
    let mut peer = subscribed(&app, 60, &now(&app).await).await;
    // Less is left of the token than the server waits for a socket that does not read.
    app.clock.advance(Duration::from_secs(3_595));
    for _ in 0..3 {
        long_text(&app).await;
    }
    app.clock.advance(Duration::from_secs(5));
    assert_eq!(last(&mut peer).await, Got::Closed(4403));

    let mut peer = subscribed(&app, 60, &now(&app).await).await;
    for _ in 0..3 {
        long_text(&app).await;
    }
    app.drain.send_replace(true);
    assert_eq!(last(&mut peer).await, Got::Closed(1012));
}

async fn last(peer: &mut Peer) -> Got {
    loop {
        match peer.next().await {
            Got::Frame(frame) => drop(body(&frame)),
            last => return last,
        }
    }
}

#[tokio::test]
async fn sockets_that_do_not_read_hold_up_nobody() {
    const SILENT: usize = 50;
    const TEXTS: usize = 2_048;
    let app = TestApp::start().await;
    let after = now(&app).await;
    long_text(&app).await;
    let mut reader = introduced_as(&app, "ana", Upgrade::new()).await;
    ask(&mut reader, "1", &wide(0), json!({"after": after})).await;
    let mut bodies = vec![body(&reader.frame().await)];
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        let peer = subscribed(&app, 80, &after).await;
        // One after the other: it is stuck in its first event once that begins to come.
        wait::within("an event begins", peer.stream().peek(&mut [0])).await.unwrap();
        silent.push(peer);
    }
    for burst in 0..TEXTS / 64 {
        short_texts(&app, burst * 64..(burst + 1) * 64).await;
        for _ in 0..64 {
            bodies.push(body(&reader.frame().await));
        }
    }
    assert!(bodies == app.bodies_in_log_order("acme").await, "the log in its order");
    // They are told where to go on from once they read again.
    let mut told = silent.pop().unwrap();
    let error = loop {
        let frame = told.frame().await;
        if frame["type"] == "error" {
            break frame;
        }
    };
    assert_eq!(error["payload"][0]["extensions"]["code"], "RESUME");
}

#[tokio::test]
async fn what_is_not_kept_is_not_skipped() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let mut places = vec![now(&app).await];
    for n in 0..4 {
        short_texts(&app, n..n + 1).await;
        places.push(now(&app).await);
    }
    // A server that has nothing in memory.
    let app = app.restart().await;
    let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
    let events = app.events(acme).await;
    let kept = events[events.len() - 4].position;
    let position = agency_position::Entity::update_many().filter(agency_position::Column::AgencyId.eq(acme));
    let position = position.col_expr(agency_position::Column::FirstKept, Expr::value(kept));
    position.exec(&conn).await.unwrap();
    let mut peer = introduced_as(&app, "ana", Upgrade::new()).await;
    ask(&mut peer, "1", &wide(0), json!({"after": places[0]})).await;
    assert_expired(&peer.frame().await);
    // A row that is gone where there should be one: what comes before it is told, what follows is not.
    let row = event::Entity::delete_many().filter(event::Column::AgencyId.eq(acme));
    row.filter(event::Column::Position.eq(kept + 2)).exec(&conn).await.unwrap();
    ask(&mut peer, "1", &wide(0), json!({"after": places[1]})).await;
    assert_eq!(body(&peer.frame().await), "text 1");
    assert_expired(&peer.frame().await);
    ask(&mut peer, "1", &wide(0), json!({"after": places[3]})).await;
    assert_eq!(body(&peer.frame().await), "text 3");
    conn.close().await.unwrap();
}

fn assert_expired(frame: &Value) {
    assert_eq!((&frame["type"], &frame["id"]), (&json!("error"), &json!("1")), "{frame}");
    assert_eq!(frame["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED", "{frame}");
}

/// Eight that never read follow with two operations each, whose answers are shared with those who do read: a
/// frame that does not go out must not stop what another operation of its socket is making for all.
#[tokio::test]
async fn who_does_not_read_holds_up_nobody_who_needs_what_they_make() {
    const TEXTS: usize = 400;
    let app = TestApp::start().await;
    let after = now(&app).await;
    join_all((0..TEXTS).map(|n| app.text(format!("+1303556{:04}", n % 50), DESK, "x".repeat(1_500)))).await;
    let query = |field: &str| {
        format!(
            "subscription($after: EventCursor) {{ {field}(after: $after) {{ cursor thread {{ lastMessage {{ body }} }} }} }}"
        )
    };
    let mut asleep = Vec::new();
    for _ in 0..8 {
        let mut peer = introduced_as(&app, "ana", Upgrade::new().with_little_room()).await;
        ask(&mut peer, "1", &query("inboundMessage"), json!({"after": after})).await;
        ask(&mut peer, "2", &query("threadUpdated"), json!({"after": after})).await;
        asleep.push(peer);
    }
    // No clock moves, so none of them is cut off meanwhile.
    for field in ["inboundMessage", "threadUpdated"] {
        let mut peer = introduced_as(&app, "ana", Upgrade::new()).await;
        ask(&mut peer, "1", &query(field), json!({"after": after})).await;
        for _ in 0..TEXTS {
            assert!(peer.frame().await["payload"]["data"][field]["thread"]["lastMessage"]["body"].is_string());
        }
    }
}
