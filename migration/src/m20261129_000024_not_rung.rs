//! The users whose phones did not ring for a call.

use sea_orm_migration::prelude::*;

use crate::columns::Shape;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Shape::of(manager).long_text("not_rung");
        manager.alter_table(Table::alter().table("call").add_column(column).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("call").drop_column("not_rung").take()).await
    }
}
