//! Who changed what in an agency's directory.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, AuditId, UserId};

/// Who changed what in an agency's directory.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    /// NULL: an operator, by a directory file.
    pub actor_id: Option<UserId>,
    /// The operation, as the schema names it.
    pub action: String,
    /// What it changed, as its outside id.
    pub node_id: String,
    /// Why, in the words of who did it.
    #[sea_orm(column_type = "Text")]
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
