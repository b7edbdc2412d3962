//! The membership of a user in a pool.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, AssignmentId, PhoneNumberId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "assignment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssignmentId,
    pub phone_number_id: PhoneNumberId,
    pub user_id: UserId,
    pub sms_enabled: bool,
    pub voice_enabled: bool,
    /// Whether the user is the pool's primary member; at most one per pool.
    pub is_primary: bool,
    /// TRUE, or NULL after the removal, so that the same user can be added again.
    pub live: Option<bool>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
