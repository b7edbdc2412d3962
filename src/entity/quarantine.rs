//! A quarantined text: authentic, but not stored with an agency.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, QuarantineId, QuarantineReason, QuarantineState};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quarantine")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: QuarantineId,
    pub twilio_account_id: AccountId,
    pub provider_sid: String,
    /// The To address, truncated to the maximum length of an address.
    pub to_address: String,
    /// The agency whose admins see the text; `None` if only operators do.
    pub agency_id: Option<AgencyId>,
    pub reason: QuarantineReason,
    /// The complete form as received, as a JSON list of pairs.
    #[sea_orm(column_type = "Text")]
    pub form: String,
    pub state: QuarantineState,
    pub created_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
