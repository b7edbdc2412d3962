//! A text on its way to the carrier. The row is deleted when the carrier has accepted the text or never will.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, MessageId, OutboxState, PhoneNumberId, Purpose, ThreadId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    /// Texts of one thread are sent in the order of their ids, regardless of their turns.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    pub thread_id: ThreadId,
    /// The number that the text is sent from.
    pub phone_number_id: PhoneNumberId,
    /// The user who wrote the text; `None` for an automatic text.
    pub sender_id: Option<UserId>,
    /// Texts of one number are sent in the order of their turns, see [`crate::domain::turns`].
    pub turn: i64,
    pub purpose: Purpose,
    pub state: OutboxState,
    /// The number of attempts to send the text; in doubt, the number of lookups.
    pub attempts: i32,
    /// When the next attempt or lookup is due.
    pub due_at: DateTime<Utc>,
    /// When the last attempt began.
    pub attempted_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
