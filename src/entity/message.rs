//! One text.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{
    AccountId, AgencyId, Direction, ExtensionId, MessageId, MessageStatus, RoutingRung, ThreadId, UserId,
};

/// One text.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    pub thread_id: ThreadId,
    pub direction: Direction,
    /// As it came.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    pub status: MessageStatus,
    /// Who wrote it, of outbound ones.
    pub sender_id: Option<UserId>,
    /// The extension it named, or was written as.
    pub extension_id: Option<ExtensionId>,
    pub twilio_account_id: AccountId,
    /// Twilio's MessageSid; unique within the account.
    pub provider_sid: Option<String>,
    /// The rung that named whom it reached, of inbound ones.
    pub routed_by: Option<RoutingRung>,
    pub error_code: Option<String>,
    /// How many the carrier counts, of outbound ones.
    pub segments: Option<i32>,
    /// Since when nobody knows whether it was sent, and a person has to decide.
    pub flagged_at: Option<DateTime<Utc>>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
