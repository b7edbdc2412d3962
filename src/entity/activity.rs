//! An entry in a thread's history.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{ActivityId, ActivityKind, AgencyId, ThreadId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "thread_activity")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActivityId,
    pub thread_id: ThreadId,
    pub kind: ActivityKind,
    /// The user who acted; `None` for an automatic change.
    pub actor_id: Option<UserId>,
    /// The new assignee.
    pub to_user_id: Option<UserId>,
    #[sea_orm(column_type = "Text")]
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// An entry without actor, target user and note.
    pub fn begin(
        agency_id: AgencyId,
        id: ActivityId,
        thread_id: ThreadId,
        kind: ActivityKind,
        now: DateTime<Utc>,
    ) -> Self {
        Self { agency_id, id, thread_id, kind, actor_id: None, to_user_id: None, note: None, created_at: now }
    }
}
