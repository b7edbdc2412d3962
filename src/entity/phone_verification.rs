//! A user's phone that waits for the code that was texted to it.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, UserId};

/// A user's phone that waits for the code that was texted to it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "phone_verification")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    pub phone: String,
    /// The SHA-256 of the code with its salt, in hexadecimal.
    pub code_digest: String,
    /// How many wrong codes were given.
    pub wrong_codes: i32,
    /// How many codes were texted since `first_sent_at`.
    pub sent: i32,
    pub first_sent_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
