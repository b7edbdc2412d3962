//! The pending verification of a user's phone by a texted code.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, UserId};

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
    /// The number of wrong codes entered.
    pub wrong_codes: i32,
    /// The number of codes texted since `first_sent_at`.
    pub sent: i32,
    pub first_sent_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
