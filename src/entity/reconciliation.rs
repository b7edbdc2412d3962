//! The reconciliation of a Twilio account: how far its texts and calls have been compared with the database.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::AccountId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reconciliation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub twilio_account_id: AccountId,
    /// Everything that reached the carrier before this time is stored here.
    pub reconciled_until: DateTime<Utc>,
    /// The time until which one instance reconciles the account and the others leave it alone.
    pub leased_until: Option<DateTime<Utc>>,
    /// When the last reconciliation was completed.
    pub completed_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
