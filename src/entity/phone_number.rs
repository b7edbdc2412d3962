//! A number that a team shares.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, PhoneNumberId};

/// A number that a team shares.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "phone_number")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PhoneNumberId,
    /// The account it belongs to.
    pub twilio_account_id: AccountId,
    pub e164: String,
    pub label: String,
    /// How many segments a second leave from it, on the average.
    pub texts_per_second: i32,
    /// How many may leave at once after a silence.
    pub texts_burst: i32,
    /// TRUE while active, NULL once released: a number is live in one agency of an account.
    pub live: Option<bool>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
