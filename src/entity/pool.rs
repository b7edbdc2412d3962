//! The policy of a phone number; its members are its assignments. One to one with the number, by the same id.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, LegCallerId, PoolId, PoolPolicy, RingStrategy};

/// The policy of a phone number; its members are its assignments. One to one with the number, by the same id.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pool")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PoolId,
    pub policy: PoolPolicy,
    /// For how long a closed thread returns to its last assignee.
    pub reopen_within_days: i32,
    pub ring_strategy: RingStrategy,
    pub ring_seconds: i32,
    /// `domain::hours::Hours` as JSON; NULL is always open.
    #[sea_orm(column_type = "Text")]
    pub hours: Option<String>,
    /// Days on which it is closed, as JSON: `["2026-12-25"]`.
    #[sea_orm(column_type = "Text")]
    pub holidays: Option<String>,
    /// What callers hear first; `None` is our own words.
    #[sea_orm(column_type = "Text")]
    pub greeting: Option<String>,
    /// What they hear before they leave a voicemail.
    #[sea_orm(column_type = "Text")]
    pub voicemail_greeting: Option<String>,
    /// What is texted to a caller whom nobody answered; `None` is nothing.
    #[sea_orm(column_type = "Text")]
    pub missed_call_text: Option<String>,
    /// Which number the phones show while they ring for an inbound call.
    pub leg_caller_id: LegCallerId,
    pub updated_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
