//! A notification; at most one per user and event.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, CallId, MessageId, NotificationId, NotificationKind, RoutingRung, ThreadId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notification")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NotificationId,
    pub user_id: UserId,
    pub event_position: i64,
    pub kind: NotificationKind,
    pub thread_id: Option<ThreadId>,
    pub message_id: Option<MessageId>,
    pub call_id: Option<CallId>,
    /// The external id of another object that the notification is about: a quarantined text, or a late arrival.
    pub node_id: Option<String>,
    /// The rung that named this user, if the routing did.
    pub rung: Option<RoutingRung>,
    pub read_at: Option<DateTime<Utc>>,
    /// When another user took care of the cause.
    pub resolved_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
