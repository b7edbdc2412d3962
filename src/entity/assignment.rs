//! One user in one pool.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, AssignmentId, PhoneNumberId, UserId};

/// One user in one pool.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "assignment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssignmentId,
    pub phone_number_id: PhoneNumberId,
    pub user_id: UserId,
    /// Whether texts reach the user here.
    pub sms_enabled: bool,
    /// Whether calls do.
    pub voice_enabled: bool,
    /// The pool's default sender; at most one per pool.
    pub is_primary: bool,
    /// TRUE, or NULL once removed: the same user can be added again.
    pub live: Option<bool>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
