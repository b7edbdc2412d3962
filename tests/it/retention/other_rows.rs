//! Notifications and quarantined texts.

use partyline::domain::QuarantineState;
use partyline::entity::notification;
use partyline::service::quarantine::discard;
use partyline::service::retention::PurgedKind;
use sea_orm::{EntityTrait as _, QueryOrder as _};
use serde_json::json;

use super::{assert_nothing_left, purge, set};
use crate::support::directory::{EMPTY, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::{TestApp, Text};

/// Marks all notifications of a user as read.
async fn read_all(app: &TestApp, user: &str) {
    let token = app.token("acme", user);
    let unread = app.graphql(&token, "{ notifications(first: 100) { nodes { id } } }", json!({})).await;
    let ids: Vec<_> =
        unread["data"]["notifications"]["nodes"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    let read = "mutation($ids: [ID!]!) { markNotificationsRead(input: {ids: $ids}) { userErrors { code } } }";
    let answer = app.graphql(&token, read, json!({"ids": ids})).await;
    assert_eq!(answer["data"]["markNotificationsRead"]["userErrors"], json!([]), "{answer}");
}

#[tokio::test]
async fn read_notifications_are_deleted_after_90_days_unless_they_give_access() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    // Tom's provider gets a text to a number without a pool, and sees the thread only because of it.
    app.receive(Text::new("SM2").from("+13035560002").to(EMPTY)).await;
    read_all(&app, "ben").await;
    read_all(&app, "dev").await;
    app.clock.advance_days(89);
    assert_eq!(purge(&app).await.count(PurgedKind::Notifications), 0);
    app.clock.advance_days(2);
    assert_eq!(purge(&app).await.count(PurgedKind::Notifications), 1);
    let left = notification::Entity::find().order_by_asc(notification::Column::Id).all(app.db()).await.unwrap();
    let users = app.keys("acme", left.iter().map(|row| row.user_id)).await;
    assert_eq!(users, ["chloe", "dev"], "the unread one, and the one that gives access");
    assert_eq!(app.all_threads(&app.token("acme", "dev")).await.len(), 1);
    assert_nothing_left(&app).await;
}

#[tokio::test]
async fn settled_quarantined_texts_are_deleted_and_held_ones_stay() {
    let app = TestApp::start().await;
    app.apply("agencies: [{key: other, retention: {messages: 30d}}]").await;
    set(&app, "{messages: 30d}").await;
    let unknown = "+14155550199";
    for sid in ["SM1", "SM2"] {
        app.receive(Text::new(sid).account(OTHER_ACCOUNT, OTHER_TOKEN).to(unknown)).await;
    }
    // Two agencies share the account, so only operators see this one.
    app.receive(Text::new("SM3").to("+13035550199")).await;
    let held = app.quarantined().await;
    assert_eq!((held[0].agency_id, held[2].agency_id), (Some(app.agency("other").await), None));
    for row in [&held[0], &held[2]] {
        discard(app.services(), row.id).await.unwrap();
    }
    app.clock.advance_days(31);
    assert_eq!(purge(&app).await.count(PurgedKind::Quarantine), 1);
    let left: Vec<_> = app.quarantined().await.into_iter().map(|row| (row.provider_sid, row.state)).collect();
    assert_eq!(left, [("SM2".to_owned(), QuarantineState::Held), ("SM3".to_owned(), QuarantineState::Discarded)]);
    app.clock.advance_days(335);
    assert_eq!(purge(&app).await.count(PurgedKind::Quarantine), 1);
    let left: Vec<_> = app.quarantined().await.into_iter().map(|row| row.provider_sid).collect();
    assert_eq!(left, ["SM2"]);
}
