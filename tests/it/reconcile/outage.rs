use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures_util::future::join_all;
use partyline::domain::MediaState;
use partyline::entity::{contact, message, voicemail};
use partyline::ports::Clock as _;
use partyline::service::reconcile::reconcile;
use partyline_simulator::{CarriedCall, InboundText, Simulator};
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _};

use super::MINUTE;
use crate::support::carrier::{carrier_on_test_date, deliver};
use crate::support::directory::DESK;
use crate::support::{TestApp, wait};

const CONTACTS: usize = 25;
const TEXTS: usize = 20;
const STOPS: usize = 5;
const CALLS: usize = 20;

fn phone(contact: usize) -> String {
    format!("+130355700{contact:02}")
}

/// Texts of one contact, whose webhooks and fallbacks all fail. Returns their SIDs.
async fn send(carrier: &Simulator, contact: usize) -> Vec<String> {
    let mut sids = Vec::new();
    for n in 0..TEXTS {
        let sent = carrier.send_text(InboundText::new(phone(contact), DESK, format!("text {n}"))).await.unwrap();
        assert_eq!(sent.status, None, "nobody answers");
        sids.push(sent.sid);
    }
    if contact < STOPS {
        sids.push(carrier.send_text(InboundText::new(phone(contact), DESK, "STOP")).await.unwrap().sid);
    }
    sids
}

/// What is stored of the outage: texts, voicemails with their recordings, and opted-out contacts.
async fn stored(app: &TestApp) -> (usize, usize, usize) {
    let ready = voicemail::Column::State.eq(MediaState::Ready);
    let texts = message::Entity::find().count(app.db()).await.unwrap();
    let voicemails = voicemail::Entity::find().filter(ready).count(app.db()).await.unwrap();
    let opted_out = contact::Entity::find().filter(contact::Column::OptedOutAt.is_not_null());
    let counts = [texts, voicemails, opted_out.count(app.db()).await.unwrap()];
    let [texts, voicemails, opted_out] = counts.map(|count| usize::try_from(count).unwrap());
    (texts, voicemails, opted_out)
}

/// Every webhook of 500 texts, 5 STOPs and 20 calls fails. Two servers start at once afterwards.
#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn an_outage_is_made_up_for_within_a_minute_of_the_start() {
    let carrier = carrier_on_test_date();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    // Nothing listens on this port.
    deliver(&carrier, "127.0.0.1:9".parse().unwrap());
    let sids = join_all((0..CONTACTS).map(|contact| send(&carrier, contact))).await;
    for contact in 0..CALLS {
        carrier.carry_call(&CarriedCall::new(phone(contact), DESK).with_voicemail(5)).unwrap();
    }
    app.clock.advance(30 * MINUTE);

    let app = app.restart().await;
    let second = app.start_second_server().await;
    deliver(&carrier, app.address);
    let started_at = app.clock.now();
    let (_one, _two) = (app.start_workers(), second.start_workers());
    let is_complete = || async { (stored(&app).await == (CONTACTS * TEXTS + STOPS, CALLS, STOPS)).then_some(()) };
    app.with_running_clock(wait::until("all is imported", is_complete)).await;
    let took = app.clock.now() - started_at;
    assert!(took <= TimeDelta::seconds(60), "{took}");

    let rows = message::Entity::find().order_by_asc(message::Column::CreatedAt).order_by_asc(message::Column::Id);
    let mut by_thread = BTreeMap::<_, Vec<String>>::new();
    for row in rows.all(app.db()).await.unwrap() {
        assert_eq!(app.notifications_of(&row).await.len(), 2, "each text notifies the pool");
        by_thread.entry(row.thread_id).or_default().extend(row.provider_sid);
    }
    for sids in &sids {
        assert_eq!(by_thread[&app.thread_of(&sids[0]).await.id], *sids, "in the order of the carrier");
    }
    app.assert_logs_are_gapless().await;

    // Late webhooks of the same texts add nothing.
    for sids in &sids {
        assert_eq!(carrier.repeat_webhook(&sids[0]).await.map(|status| status.as_u16()), Some(200));
    }
    assert_eq!(stored(&app).await, (CONTACTS * TEXTS + STOPS, CALLS, STOPS));
}
