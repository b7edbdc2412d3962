//! A text that is authentic but could not be stored with an agency.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, QuarantineId, QuarantineState};

/// A text that is authentic but could not be stored with an agency.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quarantine")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: QuarantineId,
    pub twilio_account_id: AccountId,
    pub provider_sid: String,
    /// Shortened to what an address may be.
    pub to_address: String,
    /// Whose admins see it; NULL is for operators alone.
    pub agency_id: Option<AgencyId>,
    /// Why it is here: UNMATCHED or REFUSED.
    pub reason: String,
    /// The whole form as it came, as a JSON list of pairs.
    #[sea_orm(column_type = "Text")]
    pub form: String,
    pub state: QuarantineState,
    pub created_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
