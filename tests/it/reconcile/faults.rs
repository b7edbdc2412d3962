use std::convert::Infallible;
use std::time::Duration;

use chrono::TimeDelta;
use partyline::domain::AccountId;
use partyline::domain::reconciliation::Arrivals;
use partyline::entity::{account, reconciliation};
use partyline::ports::Clock as _;
use partyline::service::reconcile::reconcile;
use partyline::store::bulk;
use partyline::store::writer::{Tx, Unit, UnitError};
use partyline_simulator::{List, ListFault};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::{CARLA, MINUTE, ago, carry, reconcile_next};
use crate::support::carrier::carrier;
use crate::support::directory::ACCOUNT;
use crate::support::{TestApp, Text};

#[tokio::test]
async fn a_comparison_that_fails_is_repeated_and_misses_nothing() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(90 * MINUTE);
    let sid = carry(&carrier, CARLA, "missed", ago(&app, 80));
    // Both accounts are asked.
    carrier.set_list_fault(ListFault::too_many_requests(List::Messages, 1, 4));
    for _ in 0..2 {
        let error = reconcile(app.services()).await.unwrap_err().to_string();
        assert_eq!(error, "Twilio is busy");
        app.clock.advance(Duration::from_secs(15));
    }
    assert_eq!(reconcile(app.services()).await.unwrap().texts, 1);
    assert_eq!(app.message(&sid).await.body, "missed");
    // Until the next comparison is due, nothing is asked.
    carry(&carrier, CARLA, "later", ago(&app, 5));
    assert_eq!(reconcile(app.services()).await.unwrap(), Arrivals::default());
    assert_eq!(reconcile_next(&app).await.texts, 1);
}

#[tokio::test]
async fn the_lease_of_a_server_that_was_killed_ends() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.clock.advance(30 * MINUTE);
    carry(&carrier, CARLA, "missed", ago(&app, 10));
    // Another server has taken the lease, and then it was killed.
    let row = reconciliation::Model {
        twilio_account_id: account(&app).await,
        reconciled_until: ago(&app, 30),
        leased_until: Some(app.clock.now() + TimeDelta::seconds(20)),
        completed_at: None,
    };
    app.services().writer.run_for(Vec::new(), Insert(row)).await.unwrap();
    assert_eq!(reconcile(app.services()).await.unwrap(), Arrivals::default(), "the account is leased");
    app.clock.advance(Duration::from_secs(20));
    assert_eq!(reconcile(app.services()).await.unwrap().texts, 1);
    app.clock.advance(5 * MINUTE);
    assert_eq!(reconcile(app.services()).await.unwrap(), Arrivals::default());
}

struct Insert(reconciliation::Model);

impl Unit for Insert {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(bulk::insert(tx.conn, vec![self.0.clone()]).await?)
    }
}

async fn account(app: &TestApp) -> AccountId {
    let row = account::Entity::find().filter(account::Column::AccountSid.eq(ACCOUNT)).one(app.db()).await.unwrap();
    row.unwrap().id
}

/// Texts arrive by webhook while their account is compared again and again.
#[tokio::test]
async fn texts_that_arrive_during_a_comparison_are_stored_once() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.clock.advance(30 * MINUTE);
    let texts: Vec<Text> = (0..200)
        .map(|n| {
            let from = format!("+1303557{:04}", n % 31);
            Text::new(carry(&carrier, &from, "hello", ago(&app, 2))).from(&from)
        })
        .collect();
    let comparing = async {
        for _ in 0..5 {
            app.clock.advance(5 * MINUTE);
            reconcile(app.services()).await.unwrap();
        }
    };
    let (statuses, ()) = tokio::join!(app.post_all(&texts), comparing);
    assert!(statuses.iter().all(|status| status.as_u16() == 200));
    assert_eq!(app.message_count().await, 200);
    app.assert_logs_are_gapless().await;
}
