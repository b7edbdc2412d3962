use std::collections::BTreeSet;

use chrono::TimeDelta;
use partyline::domain::reconciliation::Arrivals;
use partyline::entity::{media, message, quarantine};
use partyline::ports::Clock as _;
use partyline::service::reconcile::reconcile;
use partyline_simulator::{InboundText, MediaFile};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::json;

use super::{CARLA, MINUTE, ago, carry, carry_to, late_arrivals, notified_of_late_arrivals, reconcile_next};
use crate::support::carrier::carrier;
use crate::support::directory::{ACCOUNT, DESK, NURSES, SISTER};
use crate::support::{TestApp, Text};

#[tokio::test]
async fn texts_of_an_outage_are_imported_once_and_in_order_by_two_servers() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.receive(Text::new("SM1").body("before")).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(90 * MINUTE);
    let begin = ago(&app, 60);
    let sids: Vec<String> = (0..100)
        .map(|n| {
            let from = format!("+1303557{:04}", n % 7);
            carry(&carrier, &from, &format!("text {n}"), begin + TimeDelta::seconds(n / 3))
        })
        .collect();
    let app = app.restart().await;
    let second = app.start_second_server().await;
    let (one, two) = tokio::join!(reconcile(app.services()), reconcile(second.services()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.texts + two.texts, 100);

    let stored = message::Entity::find().filter(message::Column::Body.contains("text ")).all(app.db()).await.unwrap();
    assert_eq!(stored.iter().filter_map(|row| row.provider_sid.clone()).collect::<BTreeSet<_>>().len(), 100);
    for n in 0..7 {
        let first = &sids[n];
        let thread = app.thread_of(first).await;
        let of_thread = message::Entity::find().filter(message::Column::ThreadId.eq(thread.id));
        let rows = of_thread.order_by_asc(message::Column::CreatedAt).order_by_asc(message::Column::Id);
        let rows = rows.all(app.db()).await.unwrap();
        let expected: Vec<&String> = sids.iter().skip(n).step_by(7).collect();
        assert_eq!(rows.iter().filter_map(|row| row.provider_sid.as_ref()).collect::<Vec<_>>(), expected);
        let last = rows.last().unwrap();
        assert_eq!((thread.last_message_id, thread.last_message_at), (Some(last.id), Some(last.created_at)));
        assert_eq!((thread.last_activity_at, thread.waiting_since), (last.created_at, Some(rows[0].created_at)));
        assert_eq!(usize::try_from(thread.inbound_count).unwrap(), rows.len());
    }
    for row in &stored {
        assert_eq!(app.notifications_of(row).await.len(), 2, "each text notifies the pool");
    }
    app.assert_logs_are_gapless().await;
    // Later comparisons and late webhooks change nothing.
    assert_eq!(reconcile_next(&app).await, Arrivals::default());
    let count = app.message_count().await;
    for sid in &sids[..3] {
        app.receive(Text::new(sid.clone()).from("+13035570000")).await;
    }
    assert_eq!(app.message_count().await, count);
}

#[tokio::test]
async fn admins_are_told_once_how_much_arrived_late_and_when() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(60 * MINUTE);
    let (first, last) = (ago(&app, 20), ago(&app, 8));
    carry(&carrier, CARLA, "one", first);
    carry(&carrier, CARLA, "two", last);
    reconcile(app.services()).await.unwrap();
    // What is found soon afterwards is added.
    carry_to(&carrier, ("+13035560002", NURSES), "three", ago(&app, 9));
    assert_eq!(reconcile_next(&app).await.texts, 1);
    let rows = late_arrivals(&app).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].texts, rows[0].calls, rows[0].first_at, rows[0].last_at), (3, 0, first, last));
    assert_eq!(notified_of_late_arrivals(&app).await, ["ana"]);

    let query = "{ notifications(first: 1) { nodes { kind lateArrival { texts calls voicemails firstAt lastAt } } } }";
    let mut seen = app.graphql(&app.token("acme", "ana"), query, json!({})).await;
    let shown = seen["data"]["notifications"]["nodes"][0].take();
    assert_eq!(shown["kind"], "ARRIVED_LATE", "{seen}");
    assert_eq!((&shown["lateArrival"]["texts"], &shown["lateArrival"]["voicemails"]), (&json!(3), &json!(0)));
    // A later outage is another notification.
    app.clock.advance(15 * MINUTE);
    carry(&carrier, CARLA, "four", ago(&app, 2));
    reconcile_next(&app).await;
    assert_eq!(notified_of_late_arrivals(&app).await, ["ana", "ana"]);
}

#[tokio::test]
async fn a_late_text_does_not_move_the_order_of_its_thread_back() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(30 * MINUTE);
    app.receive(Text::new("SM2").body("the newest")).await;
    let before = app.thread_of("SM2").await;
    let sid = carry(&carrier, CARLA, "was lost", ago(&app, 12));
    reconcile_next(&app).await;
    let (late, after) = (app.message(&sid).await, app.thread_of(&sid).await);
    assert_eq!(after.id, before.id);
    assert_eq!((after.last_message_id, after.last_activity_at), (before.last_message_id, before.last_activity_at));
    assert_eq!((after.inbound_count, after.waiting_since), (2, Some(late.created_at)));
    assert!(late.created_at < app.message("SM2").await.created_at);
}

#[tokio::test]
async fn a_text_whose_webhook_is_on_its_way_is_left_to_it() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(30 * MINUTE);
    let sid = carry(&carrier, CARLA, "just now", app.clock.now() - TimeDelta::seconds(10));
    assert_eq!(reconcile(app.services()).await.unwrap(), Arrivals::default());
    assert_eq!(reconcile_next(&app).await.texts, 1);
    assert_eq!(app.message(&sid).await.body, "just now");
}

#[tokio::test]
async fn texts_to_other_software_are_left_alone_and_those_to_a_released_number_go_to_quarantine() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{NURSES}\", active: false}}]}}]")).await;
    app.clock.advance(30 * MINUTE);
    carry_to(&carrier, (CARLA, "+13035550177"), "for other software", ago(&app, 5));
    let released = carry_to(&carrier, (CARLA, NURSES), "released", ago(&app, 5));
    let sister = carry_to(&carrier, (CARLA, SISTER), "for the sister", ago(&app, 5));
    assert_eq!(reconcile(app.services()).await.unwrap().texts, 1);
    let held = quarantine::Entity::find().all(app.db()).await.unwrap();
    assert_eq!(held.iter().map(|row| row.provider_sid.clone()).collect::<Vec<_>>(), [released]);
    assert_eq!(app.message(&sister).await.agency_id, app.agency("sister").await);
    assert_eq!(late_arrivals(&app).await.len(), 1);
    assert_eq!(reconcile_next(&app).await, Arrivals::default());
    assert_eq!(quarantine::Entity::find().all(app.db()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn texts_from_before_the_account_was_added_are_not_imported() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    carry(&carrier, CARLA, "before", ago(&app, 2));
    let sid = carry(&carrier, CARLA, "after", app.clock.now());
    assert_eq!(reconcile(app.services()).await.unwrap().texts, 1);
    assert_eq!(app.message(&sid).await.body, "after");
}

#[tokio::test]
async fn the_files_of_a_late_text_are_imported_with_it() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(30 * MINUTE);
    let text = InboundText::new(CARLA, DESK, "").received_at(ago(&app, 5));
    let text = text
        .with_media(MediaFile::new("application/smil", b"<smil/>".to_vec()))
        .with_media(MediaFile::new("image/png", b"\x89PNG\r\n\x1a\n".to_vec()));
    let received = carrier.carry_text(text).unwrap();
    reconcile(app.services()).await.unwrap();
    let rows = media::Entity::find().all(app.db()).await.unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.ordinal, row.content_type.as_str())).collect();
    assert_eq!(shown, [(0, "image/png")]);
    let path = format!("/Accounts/{ACCOUNT}/Messages/{}/Media/{}", received.sid, received.media[1]);
    assert!(rows[0].source_url.ends_with(&path), "{}", rows[0].source_url);
}
