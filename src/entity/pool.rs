//! The pool of a phone number: its policy and voice settings. It has the number's UUID; its members are the
//! assignments.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::schedule::Schedule;
use crate::domain::{AgencyId, LegCallerId, PoolId, PoolPolicy, RingStrategy};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pool")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PoolId,
    pub policy: PoolPolicy,
    /// The number of days for which a reopened thread returns to its last assignee.
    pub reopen_within_days: i32,
    pub ring_strategy: RingStrategy,
    pub ring_seconds: i32,
    /// `domain::hours::Hours` as JSON; `None` means always open.
    #[sea_orm(column_type = "Text")]
    pub hours: Option<String>,
    /// A list of `domain::schedule::Holiday` as JSON: `["2026-12-25"]`.
    #[sea_orm(column_type = "Text")]
    pub holidays: Option<String>,
    /// The custom greeting; `None` means the default one.
    #[sea_orm(column_type = "Text")]
    pub greeting: Option<String>,
    /// The custom voicemail greeting; `None` means the default one.
    #[sea_orm(column_type = "Text")]
    pub voicemail_greeting: Option<String>,
    /// The text that is sent after a missed call; `None` means that no text is sent.
    #[sea_orm(column_type = "Text")]
    pub missed_call_text: Option<String>,
    /// The number that the phones show while they ring for an inbound call.
    pub leg_caller_id: LegCallerId,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The schedule. Values that cannot be read count as absent.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            hours: self.hours.as_deref().and_then(|hours| serde_json::from_str(hours).ok()),
            holidays: self.holidays.as_deref().and_then(|days| serde_json::from_str(days).ok()).unwrap_or_default(),
        }
    }
}
