//! One phone's part in a call: the course of the call is made of these.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, CallId, CallLegId, LegState, UserId};

/// One phone's part in a call: the course of the call is made of these.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "call_leg")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CallLegId,
    pub call_id: CallId,
    /// Whose phone; `None` is the contact's.
    pub user_id: Option<UserId>,
    /// The step of the call that let it ring: a phone may ring twice.
    pub step: i32,
    pub provider_sid: Option<String>,
    pub state: LegState,
    pub rang_at: DateTime<Utc>,
    pub picked_up_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_seconds: Option<i32>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
