//! One row that tells a restored database from the one that a server knows.

use sea_orm::entity::prelude::*;

/// The id of the row.
pub const ID: i32 = 1;

/// One row that tells a restored database from the one that a server knows.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "restore_mark")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// How often `partyline restored` has run.
    pub restores: i64,
    /// What the database server calls this very table; another one after a dump has been loaded. Empty on SQLite.
    pub identity: String,
}

/// Rows are put together by `store`.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
