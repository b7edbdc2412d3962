//! The texts and calls of an agency that one reconciliation imported.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, LateArrivalId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "late_arrival")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LateArrivalId,
    pub texts: i32,
    /// The calls without a voicemail.
    pub calls: i32,
    pub voicemails: i32,
    /// When the first of them reached the carrier.
    pub first_at: DateTime<Utc>,
    /// When the last of them reached the carrier.
    pub last_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
