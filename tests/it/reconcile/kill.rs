//! Kills the real binary while it imports the texts and calls of an outage. The next start imports the rest.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use partyline::domain::MediaState;
use partyline::entity::{account, agency_position, contact, event, message, notification, reconciliation, voicemail};
use partyline::ports::{Clock as _, SystemClock};
use partyline_simulator::{CarriedCall, InboundText, Simulator};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use sea_orm::{Order, QueryOrder as _};
use tempfile::TempDir;

use crate::support::carrier::carrier;
use crate::support::directory::{AGENCIES, DESK};
use crate::support::process::{Server, apply, database_url};
use crate::support::random::Random;
use crate::support::wait;

const KILLS: usize = 20;
const TEXTS: usize = 25;
const STOPS: usize = 5;

/// The only contact of an outage.
fn phone(outage: usize) -> String {
    format!("+130355700{outage:02}")
}

/// What the carrier has of an outage in seconds from `start`: texts, a call with a voicemail, and in some outages a STOP.
/// Returns the SIDs of the texts in their order.
fn carry(carrier: &Simulator, outage: usize, start: DateTime<Utc>) -> Vec<String> {
    let stop = (outage < STOPS).then(|| "STOP".to_owned());
    let bodies = (0..TEXTS).map(|n| format!("text {n}")).chain(stop);
    let texts = bodies.zip(0..).map(|(body, seconds)| {
        InboundText::new(phone(outage), DESK, body).received_at(start + TimeDelta::seconds(seconds))
    });
    let sids = carrier.carry_texts(texts).unwrap().into_iter().map(|text| text.sid).collect();
    carrier.carry_call(&CarriedCall::new(phone(outage), DESK).started_at(start).with_voicemail(5)).unwrap();
    sids
}

async fn count<E: sea_orm::EntityTrait>(db: &DatabaseConnection) -> usize
where
    E::Model: Send + Sync,
{
    usize::try_from(E::find().count(db).await.unwrap()).unwrap()
}

/// Makes the accounts older than every outage.
async fn age_accounts(db: &DatabaseConnection, created_at: DateTime<Utc>) {
    let update = account::Entity::update_many().col_expr(account::Column::CreatedAt, Expr::value(created_at));
    update.exec(db).await.unwrap();
}

/// Ends the lease of the killed server, as 20 seconds would.
async fn end_lease(db: &DatabaseConnection) {
    let none = Expr::value(Option::<DateTime<Utc>>::None);
    let update = reconciliation::Entity::update_many().col_expr(reconciliation::Column::LeasedUntil, none);
    update.exec(db).await.unwrap();
}

#[tokio::test]
#[ignore = "SQLite only: kills the server and reads its file; slow"]
async fn an_import_that_was_killed_is_completed_after_the_next_start_on_sqlite() {
    let folder = TempDir::new().unwrap();
    apply(folder.path(), AGENCIES);
    let carrier = carrier();
    let settings = [("TWILIO_API_BASE", carrier.base())];
    let db = sea_orm::Database::connect(database_url(folder.path())).await.unwrap();
    let began = SystemClock::new().now() - TimeDelta::hours(1);
    age_accounts(&db, began - TimeDelta::hours(1)).await;

    let mut random = Random::from_environment("import");
    let mut outages = Vec::new();
    for (outage, minute) in (0..KILLS).zip(0..) {
        outages.push(carry(&carrier, outage, began + TimeDelta::minutes(minute)));
        let before = count::<message::Entity>(&db).await;
        let missing = outages.iter().map(Vec::len).sum::<usize>() - before;
        let server = Server::start_with_settings(folder.path(), &settings).await;
        let enough = before + random.below(missing + 1);
        wait::until("texts are imported", async || (count::<message::Entity>(&db).await >= enough).then_some(())).await;
        server.kill();
        end_lease(&db).await;
    }
    let texts: usize = outages.iter().map(Vec::len).sum();
    let server = Server::start_with_settings(folder.path(), &settings).await;
    let is_complete = async || {
        let ready = voicemail::Entity::find().filter(voicemail::Column::State.eq(MediaState::Ready));
        let voicemails = ready.count(&db).await.unwrap();
        (count::<message::Entity>(&db).await == texts && voicemails == KILLS as u64).then_some(())
    };
    wait::until("all texts and voicemails are imported", is_complete).await;
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));

    let mut stored = BTreeMap::<_, Vec<String>>::new();
    let rows = message::Entity::find().order_by(message::Column::CreatedAt, Order::Asc);
    for row in rows.order_by_asc(message::Column::Id).all(&db).await.unwrap() {
        let of_message = notification::Entity::find().filter(notification::Column::MessageId.eq(row.id));
        assert_eq!(of_message.count(&db).await.unwrap(), 2, "each text notifies the pool");
        stored.entry(row.thread_id).or_default().extend(row.provider_sid);
    }
    let mut stored: Vec<_> = stored.into_values().collect();
    stored.sort();
    outages.sort();
    assert_eq!(stored, outages, "once, in the order of the carrier");
    let opted_out = contact::Entity::find().filter(contact::Column::OptedOutAt.is_not_null());
    assert_eq!(opted_out.count(&db).await.unwrap(), STOPS as u64);
    assert_eq!(count::<voicemail::Entity>(&db).await, KILLS);
    let last: i64 = agency_position::Entity::find().all(&db).await.unwrap().iter().map(|row| row.position).sum();
    assert_eq!(count::<event::Entity>(&db).await, usize::try_from(last).unwrap(), "the log has no gap");
}
