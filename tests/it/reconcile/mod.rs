//! Texts and calls whose webhooks failed are imported from the carrier.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use partyline::domain::NotificationKind;
use partyline::domain::reconciliation::Arrivals;
use partyline::entity::{late_arrival, notification};
use partyline::ports::Clock as _;
use partyline::service::reconcile::reconcile;
use partyline_simulator::{InboundText, Simulator};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::support::TestApp;
use crate::support::directory::DESK;

mod calls;
mod faults;
mod kill;
mod opt_outs;
mod outage;
mod texts;

const CARLA: &str = "+13035560001";

const MINUTE: Duration = Duration::from_secs(60);

/// The time of the test's clock, some minutes ago.
fn ago(app: &TestApp, minutes: i64) -> DateTime<Utc> {
    app.clock.now() - TimeDelta::minutes(minutes)
}

/// Stores a text at the carrier only; returns its SID.
fn carry(carrier: &Simulator, from: &str, body: &str, at: DateTime<Utc>) -> String {
    carry_to(carrier, (from, DESK), body, at)
}

fn carry_to(carrier: &Simulator, (from, to): (&str, &str), body: &str, at: DateTime<Utc>) -> String {
    carrier.carry_text(InboundText::new(from, to, body).received_at(at)).unwrap().sid
}

/// Compares the accounts now. The clock is advanced to the next comparison.
async fn reconcile_next(app: &TestApp) -> Arrivals {
    app.clock.advance(5 * MINUTE);
    reconcile(app.services()).await.unwrap()
}

async fn late_arrivals(app: &TestApp) -> Vec<late_arrival::Model> {
    late_arrival::Entity::find().all(app.db()).await.unwrap()
}

/// The users who were notified of late arrivals.
async fn notified_of_late_arrivals(app: &TestApp) -> Vec<String> {
    let kind = notification::Column::Kind.eq(NotificationKind::ArrivedLate);
    let rows = notification::Entity::find().filter(kind).all(app.db()).await.unwrap();
    app.keys("acme", rows.into_iter().map(|row| row.user_id)).await
}
