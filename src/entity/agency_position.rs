//! The counter row of an agency: the lock that serializes its writers, and the head of its log.

use sea_orm::entity::prelude::*;

use crate::domain::AgencyId;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agency_position")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    /// Identifies the log; a log that is started again gets a new epoch.
    pub epoch: Uuid,
    /// The position of the newest event.
    pub position: i64,
    /// Incremented with each change of users, numbers, pools or extensions.
    pub directory_version: i64,
    /// The oldest position after which events can be replayed. Older events have been pruned.
    pub first_kept: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A log without events.
    pub fn begin(agency_id: AgencyId, epoch: Uuid) -> Self {
        Self { agency_id, epoch, position: 0, directory_version: 0, first_kept: 0 }
    }
}
