//! The event log: old cursors expire, and live subscribers miss nothing.

use partyline::entity::agency_position;
use partyline::service::retention::PurgedKind;
use sea_orm::EntityTrait as _;
use serde_json::json;

use super::{assert_nothing_left, purge, set};
use crate::support::TestApp;
use crate::support::directory::DESK;
use crate::support::socket::Socket;

const INBOUND: &str = include_str!("../documents/live_inbound.graphql");

async fn subscribed(app: &TestApp, after: &serde_json::Value) -> Socket {
    let mut socket = app.socket(&app.token("acme", "ana")).await;
    socket.subscribe("1", INBOUND, json!({"after": after})).await;
    socket
}

async fn assert_expired(app: &TestApp, after: &serde_json::Value) {
    let answer = subscribed(app, after).await.next().await.unwrap();
    assert_eq!(answer["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED", "{answer}");
}

#[tokio::test]
async fn a_cursor_before_the_kept_range_expires_and_later_ones_replay_without_a_gap() {
    let app = TestApp::start().await;
    set(&app, "{events: 5d}").await;
    let acme = app.agency("acme").await;
    let other_events = app.events(app.agency("other").await).await.len();
    let ana = app.token("acme", "ana");
    let oldest = app.cursor(&ana).await;
    app.text("+13035560001", DESK, "one").await;
    let old = app.cursor(&ana).await;
    app.text("+13035560001", DESK, "two").await;
    app.clock.advance_days(3);
    let kept = app.cursor(&app.token("acme", "ana")).await;
    app.text("+13035560001", DESK, "three").await;
    app.clock.advance_days(3);
    let second = app.start_second_server().await;
    let mut live = subscribed(&app, &app.cursor(&app.token("acme", "ana")).await).await;
    let mut live_elsewhere = subscribed(&second, &app.cursor(&app.token("acme", "ana")).await).await;

    let purged = purge(&app).await;
    assert!(purged.count(PurgedKind::Events) > 2, "{purged:?}");
    let head = agency_position::Entity::find_by_id(acme).one(app.db()).await.unwrap().unwrap();
    let left = app.events(acme).await;
    assert_eq!((left.len(), left[0].position), (1, head.first_kept + 1));
    assert_nothing_left(&app).await;
    for server in [&app, &second] {
        assert_expired(server, &oldest).await;
        assert_expired(server, &old).await;
        let mut replay = subscribed(server, &kept).await;
        assert_eq!(replay.event().await["inboundMessage"]["message"]["body"], "three");
        replay.assert_silent().await;
    }
    app.text("+13035560001", DESK, "four").await;
    assert_eq!(live.event().await["inboundMessage"]["message"]["body"], "four");
    second.services().feeds.poll().await.unwrap();
    assert_eq!(live_elsewhere.event().await["inboundMessage"]["message"]["body"], "four");
    assert_eq!(app.events(app.agency("other").await).await.len(), other_events, "other agencies keep 30 days");
}

#[tokio::test]
async fn the_newest_event_stays_because_it_dates_a_backup() {
    let app = TestApp::start().await;
    app.text("+13035560001", DESK, "hello").await;
    app.clock.advance_days(400);
    purge(&app).await;
    for agency in ["acme", "other", "sister"] {
        let agency = app.agency(agency).await;
        let head = agency_position::Entity::find_by_id(agency).one(app.db()).await.unwrap().unwrap();
        let left: Vec<i64> = app.events(agency).await.iter().map(|event| event.position).collect();
        assert_eq!((left, head.first_kept), (vec![head.position], head.position - 1));
    }
    // The text is still there.
    assert_eq!(app.message_count().await, 1);
    assert_nothing_left(&app).await;
}

#[tokio::test]
async fn an_event_whose_message_is_gone_is_skipped() {
    let app = TestApp::start().await;
    set(&app, "{messages: 7d, events: 3650d}").await;
    let after = app.cursor(&app.token("acme", "ana")).await;
    app.text("+13035560001", DESK, "old").await;
    app.clock.advance_days(8);
    app.text("+13035560001", DESK, "new").await;
    purge(&app).await;
    let mut replay = subscribed(&app, &after).await;
    let event = replay.event().await;
    assert_eq!(event["inboundMessage"]["message"]["body"], "new", "{event}");
    replay.assert_silent().await;
    for query in [
        "subscription($after: EventCursor) { threadUpdated(after: $after) { thread { id } item { __typename } } }",
        "subscription($after: EventCursor) { notificationAdded(after: $after) { notification { id message { body } } } }",
    ] {
        let mut socket = app.socket(&app.token("acme", "ben")).await;
        socket.subscribe("1", query, json!({"after": after})).await;
        let event = socket.event().await;
        assert!(event.is_object(), "{event}");
    }
}
