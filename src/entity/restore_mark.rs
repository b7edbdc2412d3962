//! The mark by which a server detects a restored database, see `domain::restore`. The table has one row.

use sea_orm::entity::prelude::*;

/// The id of the only row.
pub const ID: i32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "restore_mark")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The number of times that `partyline restored` has run.
    pub restores: i64,
    /// The database server's identifier of this table, which changes when a dump is loaded. Empty on SQLite,
    /// except after `partyline restore` until the restore is complete.
    pub identity: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
