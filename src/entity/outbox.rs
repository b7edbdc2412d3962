//! A text on its way to the carrier. The row goes when the carrier has it, or never will.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, MessageId, OutboxState, PhoneNumberId, Purpose, ThreadId, UserId};

/// A text on its way to the carrier. The row goes when the carrier has it, or never will.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    /// Texts of a thread leave in the order of these, whatever their turns.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    pub thread_id: ThreadId,
    /// The number it is sent from.
    pub phone_number_id: PhoneNumberId,
    /// The user who wrote the text; `None` for an automatic text.
    pub sender_id: Option<UserId>,
    /// The texts of a number leave in the order of their turns, see [`crate::domain::turns`].
    pub turn: i64,
    pub purpose: Purpose,
    pub state: OutboxState,
    /// How often it has been tried, or since it is in doubt looked for.
    pub attempts: i32,
    /// When it is to be tried, or looked for, next.
    pub due_at: DateTime<Utc>,
    /// When the last attempt began.
    pub attempted_at: Option<DateTime<Utc>>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
