//! Notifications and quarantined texts.

use std::convert::Infallible;

use partyline::domain::{AgencyId, LateArrivalId, NotificationKind, QuarantineState, UserId};
use partyline::entity::{late_arrival, notification};
use partyline::service::quarantine::discard_as_operator;
use partyline::service::retention::PurgedKind;
use partyline::store::bulk;
use partyline::store::writer::{Notice, Tx, Unit, UnitError};
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
        discard_as_operator(app.services(), row.id).await.unwrap();
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

#[tokio::test]
async fn doctor_counts_only_as_many_messages_as_it_mentions() {
    let app = TestApp::start().await;
    for sid in ["SM1", "SM2"] {
        app.receive(Text::new(sid)).await;
    }
    for (agency, count, expected) in [("acme", 2, true), ("acme", 3, false), ("sister", 1, false)] {
        let agency = app.agency(agency).await;
        let found = partyline::store::retention::has_messages(app.db(), agency, count).await.unwrap();
        assert_eq!(found, expected, "{count}");
    }
}

#[tokio::test]
async fn late_arrivals_are_deleted_with_their_notifications() {
    let app = TestApp::start().await;
    set(&app, "{messages: 30d}").await;
    let (acme, ana) = (app.agency("acme").await, app.user("acme", "ana").await);
    for _ in 0..2 {
        app.services().writer.run(acme, ArriveLate { agency: acme, admin: ana }).await.unwrap();
        app.clock.advance_days(20);
    }
    assert_eq!(purge(&app).await.count(PurgedKind::LateArrivals), 1);
    let reports = late_arrival::Entity::find().all(app.db()).await.unwrap();
    let left = notification::Entity::find().all(app.db()).await.unwrap();
    assert_eq!((reports.len(), left.len()), (1, 1));
    assert_eq!(left[0].node_id, Some(reports[0].id.to_string()));
    assert_nothing_left(&app).await;
}

/// A report of late arrivals, with a notification.
struct ArriveLate {
    agency: AgencyId,
    admin: UserId,
}

impl Unit for ArriveLate {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let report = late_arrival::Model {
            agency_id: self.agency,
            id: LateArrivalId(tx.new_id()),
            texts: 1,
            calls: 0,
            voicemails: 0,
            first_at: tx.now,
            last_at: tx.now,
            created_at: tx.now,
        };
        let notice = Notice {
            kind: NotificationKind::InboundClientMessage,
            users: vec![self.admin],
            thread: None,
            message: None,
            call: None,
            node: Some(report.id.to_string()),
            rung: None,
        };
        bulk::insert(tx.conn, vec![report]).await?;
        tx.agency_updated(self.agency, vec![notice])?;
        Ok(())
    }
}
