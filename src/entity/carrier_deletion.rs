//! A resource at Twilio that must be deleted there.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, CarrierDeletionId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "carrier_deletion")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CarrierDeletionId,
    pub twilio_account_id: AccountId,
    /// The path below the account, for example `/Recordings/RE…`.
    pub path: String,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
