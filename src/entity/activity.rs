//! One line of a thread's history.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{ActivityId, ActivityKind, AgencyId, ThreadId, UserId};

/// One line of a thread's history.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "thread_activity")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActivityId,
    pub thread_id: ThreadId,
    pub kind: ActivityKind,
    /// Who did it; NULL when the system did.
    pub actor_id: Option<UserId>,
    /// Who has the thread by it.
    pub to_user_id: Option<UserId>,
    #[sea_orm(column_type = "Text")]
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
