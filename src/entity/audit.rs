//! An audit log entry: a change of an agency's directory, or the handling of a quarantined text.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, AuditId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    /// The user who made the change; `None` for an operator at the command line.
    pub actor_id: Option<UserId>,
    /// The operation's name in the GraphQL schema.
    pub action: String,
    /// The external id of the changed node.
    pub node_id: String,
    /// The reason that the user gave.
    #[sea_orm(column_type = "Text")]
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
