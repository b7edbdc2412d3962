//! Renames the reason of texts that match no number to the name that the API shows.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        rename(manager, "UNMATCHED", "UNMATCHED_NUMBER").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        rename(manager, "UNMATCHED_NUMBER", "UNMATCHED").await
    }
}

async fn rename(manager: &SchemaManager<'_>, from: &str, to: &str) -> Result<(), DbErr> {
    let update =
        Query::update().table("quarantine").value("reason", to).and_where(Expr::col("reason").eq(from)).to_owned();
    manager.execute(update).await
}
