//! The lease by which one server compares an account.

use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::Set;

use crate::domain::AccountId;
use crate::domain::reconciliation::reconciled_at_creation;
use crate::entity::{account, reconciliation};
use crate::service::{Fault, Services};
use crate::store::bulk::insert;
use crate::store::reconciliation as store;
use crate::store::writer::{Tx, Unit, UnitError};

/// How long a lease lasts. It is renewed while the comparison makes progress; the lease of a server that was killed ends
/// by itself.
const DURATION: TimeDelta = TimeDelta::seconds(20);

pub(super) struct Lease(AccountId);

impl Lease {
    /// Takes the lease of an account, and returns the state of its comparison. `None` if another server has the lease.
    pub(super) async fn take(
        services: &Services,
        row: &account::Model,
    ) -> Result<Option<(Self, reconciliation::Model)>, Fault> {
        let taken = services.writer.run_for(Vec::new(), Take { account: row.id, created_at: row.created_at }).await?;
        Ok(taken.map(|state| (Self(row.id), state)))
    }

    /// Renews the lease.
    pub(super) async fn renew(&self, services: &Services) -> Result<(), Fault> {
        let until = Some(services.clock.now() + DURATION);
        self.update(services, reconciliation::ActiveModel { leased_until: Set(until), ..Default::default() }).await
    }

    /// Ends the lease without a comparison.
    pub(super) async fn release(self, services: &Services) -> Result<(), Fault> {
        self.update(services, reconciliation::ActiveModel { leased_until: Set(None), ..Default::default() }).await
    }

    /// Ends the lease, and records that everything before `reconciled_until` is stored.
    pub(super) async fn complete(self, services: &Services, reconciled_until: DateTime<Utc>) -> Result<(), Fault> {
        let change = reconciliation::ActiveModel {
            reconciled_until: Set(reconciled_until),
            leased_until: Set(None),
            completed_at: Set(Some(services.clock.now())),
            ..Default::default()
        };
        self.update(services, change).await
    }

    async fn update(&self, services: &Services, change: reconciliation::ActiveModel) -> Result<(), Fault> {
        Ok(services.writer.run_for(Vec::new(), Update { account: self.0, change }).await?)
    }
}

struct Take {
    account: AccountId,
    /// When the account was added.
    created_at: DateTime<Utc>,
}

impl Unit for Take {
    type Output = Option<reconciliation::Model>;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, UnitError> {
        let until = tx.now + DURATION;
        let Some(state) = store::find(tx.conn, self.account).await? else {
            let state = reconciliation::Model {
                twilio_account_id: self.account,
                reconciled_until: reconciled_at_creation(self.created_at),
                leased_until: Some(until),
                completed_at: None,
            };
            // If another server inserts the row at the same moment, this unit fails and is tried again later.
            insert(tx.conn, vec![state.clone()]).await?;
            return Ok(Some(state));
        };
        let is_leased = store::lease(tx.conn, self.account, tx.now, until).await?;
        Ok(is_leased.then_some(state))
    }
}

struct Update {
    account: AccountId,
    change: reconciliation::ActiveModel,
}

impl Unit for Update {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(store::update(tx.conn, self.account, self.change.clone()).await?)
    }
}
