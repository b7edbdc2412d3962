//! An event in an agency's ordered log.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::message;
use crate::domain::{ActivityId, AgencyId, CallId, EventKind, MessageId, ThreadId, UserId};

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
    /// The external id of the changed object of the directory, of the new entry in the history of the thread, of the
    /// user who read the thread, or of the notification that was read.
    pub node_id: Option<String>,
    /// The users who lost access to the thread by this event, separated by commas. Their clients are told to remove it.
    #[sea_orm(column_type = "Text")]
    pub lost_by: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// An event of an agency that names nothing yet. Its position is assigned when it is appended.
    pub fn begin(agency_id: AgencyId, kind: EventKind, now: DateTime<Utc>) -> Self {
        Self {
            agency_id,
            position: 0,
            kind,
            thread_id: None,
            message_id: None,
            call_id: None,
            node_id: None,
            lost_by: None,
            created_at: now,
        }
    }

    /// An event about a message in its thread.
    pub fn of_message(message: &message::Model, kind: EventKind, now: DateTime<Utc>) -> Self {
        Self {
            thread_id: Some(message.thread_id),
            message_id: Some(message.id),
            ..Self::begin(message.agency_id, kind, now)
        }
    }

    /// An event about the agency itself: a property of it changed, or its admins have something to take care of.
    pub fn of_agency(agency_id: AgencyId, now: DateTime<Utc>) -> Self {
        Self { node_id: Some(agency_id.to_string()), ..Self::begin(agency_id, EventKind::DirectoryUpdated, now) }
    }

    /// The entry that the event added to the history of its thread.
    pub fn activity(&self) -> Option<ActivityId> {
        let id = self.node_id.as_deref().filter(|_| self.kind == EventKind::ThreadActivity)?;
        id.parse().ok()
    }

    /// Whether the event is about this user.
    pub fn is_of(&self, user: UserId) -> bool {
        self.node_id.as_deref() == Some(user.to_string().as_str())
    }

    /// Whether the event is about the agency itself. Of the directory events, only these can cause notifications.
    pub fn is_about_agency(&self) -> bool {
        self.node_id.as_deref() == Some(self.agency_id.to_string().as_str())
    }

    /// Whether this user lost access to the thread by this event.
    pub fn is_lost_by(&self, user: UserId) -> bool {
        let user = user.to_string();
        self.lost_by.as_deref().is_some_and(|list| list.split(',').any(|one| one == user))
    }
}

/// Formats the value of `lost_by`.
pub fn join_users(users: &[UserId]) -> String {
    users.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
