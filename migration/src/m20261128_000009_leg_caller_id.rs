//! The number that the phones of a pool show while they ring for an inbound call. The default serves the previous
//! release, which inserts pools without this column.

use sea_orm_migration::prelude::*;

use crate::columns::word;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = word("leg_caller_id").default("CALLER").take();
        manager.alter_table(Table::alter().table("pool").add_column(column).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("pool").drop_column("leg_caller_id").take()).await
    }
}
