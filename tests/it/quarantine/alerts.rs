//! Admins are notified of texts in quarantine, but not of each text of a flood.

use std::time::Duration;

use partyline::service::quarantine::{assign_as_operator, discard, discard_as_operator};
use serde_json::{Value, json};

use super::{UNKNOWN, held, release};
use crate::support::database::is_sqlite;
use crate::support::directory::{DESK, NURSES, SISTER};
use crate::support::{TestApp, Text};

const MINUTE: Duration = Duration::from_secs(60);

async fn start() -> TestApp {
    let app = TestApp::start().await;
    release(&app, "acme", DESK).await;
    app.apply("agencies: [{key: acme, users: [{key: abe, name: Abe Stein, role: ADMIN}]}]").await;
    app
}

/// The QUARANTINED notifications of a user, oldest first: the SID of the text, and whether each is resolved.
async fn notified(app: &TestApp, agency: &str, user: &str) -> Vec<(Value, bool)> {
    let query = "{ notifications(first: 100) { nodes {
        kind resolvedAt thread { id } message { id } call { id } quarantinedMessage { messageSid } } } }";
    // Time passes in these tests, so each request has a token of its own.
    let answer = app.graphql(&app.token(agency, user), query, json!({})).await;
    let all = answer["data"]["notifications"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let quarantined = all.iter().rev().filter(|row| row["kind"] == "QUARANTINED");
    quarantined
        .map(|row| {
            assert_eq!((&row["thread"], &row["message"], &row["call"]), (&Value::Null, &Value::Null, &Value::Null));
            (row["quarantinedMessage"]["messageSid"].clone(), !row["resolvedAt"].is_null())
        })
        .collect()
}

#[tokio::test]
async fn the_admins_of_the_agency_that_a_text_is_shown_to_are_notified_live() {
    let app = start().await;
    let abe = app.token("acme", "abe");
    let mut socket = app.socket(&abe).await;
    let live = "subscription($after: EventCursor) { notificationAdded(after: $after) {
        notification { kind quarantinedMessage { id body from } } } }";
    socket.subscribe("1", live, json!({"after": app.cursor(&abe).await})).await;
    app.receive(Text::new("SM1").body("hello?")).await;
    let shown = json!({"id": held(&app).await.id.to_string(), "body": "hello?", "from": "+13035560001"});
    let expected = json!({"notification": {"kind": "QUARANTINED", "quarantinedMessage": shown}});
    assert_eq!(socket.event().await["notificationAdded"], expected);
    for admin in ["ana", "abe"] {
        assert_eq!(notified(&app, "acme", admin).await, [(json!("SM1"), false)]);
    }
    for (agency, user) in [("acme", "ben"), ("sister", "sam"), ("other", "olga")] {
        assert_eq!(notified(&app, agency, user).await, [], "{user}");
    }
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_flood_notifies_each_admin_at_most_once_an_hour() {
    let app = start().await;
    for (round, (minutes, expected)) in [(0, 1), (59, 1), (1, 2), (30, 2), (30, 3)].into_iter().enumerate() {
        app.clock.advance(minutes * MINUTE);
        let texts: Vec<Text> = (0..30).map(|n| Text::new(format!("SM{round}x{n}"))).collect();
        assert!(app.post_all(&texts).await.iter().all(|status| *status == 200));
        assert_eq!(notified(&app, "acme", "ana").await.len(), expected, "after {minutes} more minutes");
    }
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_notification_is_resolved_when_all_texts_that_it_stands_for_are_settled() {
    let app = start().await;
    let viewer = app.viewer("acme", "ana").await;
    for (sid, minutes) in [("SM1", 0), ("SM2", 59), ("SM3", 30), ("SM4", 1)] {
        app.clock.advance(minutes * MINUTE);
        app.receive(Text::new(sid)).await;
    }
    assert_eq!(notified(&app, "acme", "ana").await, [(json!("SM1"), false), (json!("SM3"), false)]);
    let ids: Vec<_> = app.quarantined().await.into_iter().map(|row| row.id).collect();
    discard(app.services(), &viewer, ids[0]).await.unwrap();
    assert_eq!(notified(&app, "acme", "ana").await, [(Value::Null, false), (json!("SM3"), false)]);
    assign_as_operator(app.services(), ids[1], NURSES).await.unwrap();
    assert_eq!(notified(&app, "acme", "ana").await, [(Value::Null, true), (json!("SM3"), false)]);
    // The text that the second one names is the last to be settled.
    discard_as_operator(app.services(), ids[3]).await.unwrap();
    assert_eq!(notified(&app, "acme", "ana").await, [(Value::Null, true), (json!("SM3"), false)]);
    // Assigned to another agency of the account.
    assign_as_operator(app.services(), ids[2], SISTER).await.unwrap();
    assert_eq!(notified(&app, "acme", "ana").await, [(Value::Null, true), (Value::Null, true)]);
    // The next text is news, although the last notification is not an hour old.
    app.receive(Text::new("SM5")).await;
    assert_eq!(notified(&app, "acme", "ana").await.last(), Some(&(json!("SM5"), false)));
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_resolved_notification_is_announced_to_other_windows() {
    let app = start().await;
    let (ana, viewer) = (app.token("acme", "ana"), app.viewer("acme", "ana").await);
    app.receive(Text::new("SM1")).await;
    let mut socket = app.socket(&ana).await;
    let live = "subscription($after: EventCursor) { directoryUpdated(after: $after) { nodeId } }";
    socket.subscribe("1", live, json!({"after": app.cursor(&ana).await})).await;
    discard(app.services(), &viewer, held(&app).await.id).await.unwrap();
    assert_eq!(socket.event().await["directoryUpdated"]["nodeId"], app.agency("acme").await.to_string());
}

#[tokio::test]
async fn a_text_that_is_shown_to_no_agency_notifies_no_user() {
    let app = start().await;
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    assert_eq!(held(&app).await.agency_id, None);
    for (agency, user) in [("acme", "ana"), ("sister", "sam")] {
        assert_eq!(notified(&app, agency, user).await, [], "{user}");
    }
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("partyline_quarantined 1"), "{metrics}");
}

#[tokio::test]
async fn a_text_that_the_database_rejects_notifies_the_admins_of_its_number() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").from(&"9".repeat(65))).await;
    assert_eq!(notified(&app, "acme", "ana").await, [(json!("SM1"), false)]);
}

#[tokio::test]
async fn a_former_admin_keeps_the_notification_but_not_the_text() {
    let app = start().await;
    app.receive(Text::new("SM1")).await;
    let (abe, text) = (app.token("acme", "abe"), held(&app).await.id);
    assert_eq!(notified(&app, "acme", "abe").await, [(json!("SM1"), false)]);
    app.apply("agencies: [{key: acme, users: [{key: abe, role: MEMBER}]}]").await;
    assert_eq!(notified(&app, "acme", "abe").await, [(Value::Null, false)]);
    let node = app.graphql(&abe, "query($id: ID!) { node(id: $id) { id } }", json!({"id": text.to_string()})).await;
    assert_eq!(node, json!({"data": {"node": null}}));
}

#[tokio::test]
async fn quarantined_texts_are_written_on_the_writers_own_connection_on_sqlite() {
    let app = start().await;
    // Loads the directory.
    app.receive(Text::new("SM0")).await;
    app.clock.advance_days(1);
    let before = app.services().writer.figures().direct_batches.get();
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2")).await;
    let direct = app.services().writer.figures().direct_batches.get() - before;
    assert_eq!(direct, if is_sqlite() { 2 } else { 0 });
    assert_eq!(notified(&app, "acme", "ana").await.len(), 2);
}
