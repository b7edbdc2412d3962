//! One durable row of an agency's ordered log.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, CallId, EventKind, MessageId, ThreadId, UserId};

/// One durable row of an agency's ordered log.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub kind: EventKind,
    pub thread_id: Option<ThreadId>,
    pub message_id: Option<MessageId>,
    pub call_id: Option<CallId>,
    /// What changed in the directory, as its outside id.
    pub node_id: Option<String>,
    /// Users who could see the thread until this event, separated by commas: they are told to remove it.
    #[sea_orm(column_type = "Text")]
    pub lost_by: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether it is about the agency itself: of the events of the directory, only these can notify users.
    pub fn is_about_agency(&self) -> bool {
        self.node_id.as_deref() == Some(self.agency_id.to_string().as_str())
    }

    /// Whether this user could see the thread until this event.
    pub fn is_lost_by(&self, user: UserId) -> bool {
        let user = user.to_string();
        self.lost_by.as_deref().is_some_and(|list| list.split(',').any(|one| one == user))
    }
}

/// Writes the list of `lost_by`.
pub fn join_users(users: &[UserId]) -> String {
    users.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
