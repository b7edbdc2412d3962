//! The counter row of an agency: the lock that makes its writers serial, and the head of its log.

use sea_orm::entity::prelude::*;

use crate::domain::AgencyId;

/// The counter row of an agency: the lock that makes its writers serial, and the head of its log.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agency_position")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    /// Names the log; a log begun anew has another.
    pub epoch: Uuid,
    /// The position of the newest event.
    pub position: i64,
    /// Grows with each change of users, numbers, pools or extensions.
    pub directory_version: i64,
    /// The oldest position that can still be replayed after; older events were pruned.
    pub first_kept: i64,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
