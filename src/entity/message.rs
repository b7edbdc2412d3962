//! A text message.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{
    AccountId, AgencyId, Direction, ExtensionId, MessageId, MessageStatus, RoutingRung, ThreadId, UserId,
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    pub thread_id: ThreadId,
    pub direction: Direction,
    /// The body as received or sent.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    pub status: MessageStatus,
    /// The user who wrote an outbound message; `None` for automatic and inbound messages.
    pub sender_id: Option<UserId>,
    /// The extension that the message addressed, or was sent as.
    pub extension_id: Option<ExtensionId>,
    pub twilio_account_id: AccountId,
    /// Twilio's MessageSid, which is unique within the account.
    pub provider_sid: Option<String>,
    /// The rung that routed an inbound message.
    pub routed_by: Option<RoutingRung>,
    /// Whether the pool had members when an inbound message was routed, but none with SMS on.
    pub pool_muted: bool,
    pub error_code: Option<String>,
    /// The number of segments of an outbound message.
    pub segments: Option<i32>,
    /// When the message was flagged for a decision by a user, because it is unknown whether it was sent.
    pub flagged_at: Option<DateTime<Utc>>,
    /// When a held text is to be sent; `None` for a text that was not held.
    pub sends_at: Option<DateTime<Utc>>,
    /// The message that this one sends again.
    pub resends_id: Option<MessageId>,
    /// The message by which this one was sent again.
    pub resent_as_id: Option<MessageId>,
    /// When Partyline stored the message; Twilio's date for an imported message.
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
