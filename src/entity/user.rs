//! A user: a staff member of an agency.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, Availability, Role, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// The stable name that directory files and tokens use.
    pub key: String,
    pub name: String,
    pub role: Role,
    /// E.164.
    pub phone: Option<String>,
    /// Only verified phones are dialed.
    pub phone_verified: bool,
    pub active: bool,
    pub availability: Availability,
    /// Tokens of an earlier generation are refused.
    pub token_generation: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
