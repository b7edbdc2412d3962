//! The number of texts that a user or a whole agency has sent in the current period of 24 hours.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "text_quota")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    /// [`WHOLE_AGENCY`](crate::store::text_quotas::WHOLE_AGENCY) for the texts of all users together.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    pub began_at: DateTime<Utc>,
    pub texts: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
