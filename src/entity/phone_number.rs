//! A shared phone number.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, PhoneNumberId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "phone_number")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PhoneNumberId,
    pub twilio_account_id: AccountId,
    pub e164: String,
    pub label: String,
    /// The average sending rate, in segments per second despite the name.
    pub texts_per_second: i32,
    /// The maximum number of segments that may be sent at once after a pause.
    pub texts_burst: i32,
    /// TRUE, or NULL after the release. A number is live in at most one agency of an account.
    pub live: Option<bool>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
