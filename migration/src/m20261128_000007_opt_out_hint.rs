//! Each thread's last text that sounds like a request to stop, until a person settles it.

use sea_orm_migration::prelude::*;

use crate::columns::optional_id;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = optional_id("opt_out_hint_id");
        manager.alter_table(Table::alter().table("thread").add_column(column).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("thread").drop_column("opt_out_hint_id").take()).await
    }
}
