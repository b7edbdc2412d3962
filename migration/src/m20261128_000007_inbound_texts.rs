//! The opt-out hint of threads, and an index for looking up a phone number in all accounts.

use sea_orm_migration::prelude::*;

use crate::columns::{index, optional_id};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = optional_id("opt_out_hint_id");
        manager.alter_table(Table::alter().table("thread").add_column(column).take()).await?;
        manager.create_index(index("ix_phone_number_e164", "phone_number", &["e164"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("ix_phone_number_e164").table("phone_number").to_owned()).await?;
        manager.alter_table(Table::alter().table("thread").drop_column("opt_out_hint_id").take()).await
    }
}
