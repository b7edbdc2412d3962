//! Texts that are held for some seconds before they are sent, and drafts.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, create, drop, id, index, optional_id, primary, within_agency};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        for (table, column) in columns(shape) {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let drafts = shape
            .table("draft")
            .col(id("agency_id"))
            .col(id("user_id"))
            .col(id("thread_id"))
            .col(shape.long_text("body").not_null())
            .col(optional_id("extension_id"))
            .col(optional_id("based_on_id"))
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "user_id", "thread_id"]))
            .foreign_key(&mut within_agency("thread_id", "thread"))
            .foreign_key(&mut within_agency("user_id", "user_account"))
            .take();
        let age = index("ix_draft_updated", "draft", &["updated_at"]);
        create(manager, vec![drafts], vec![age]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["draft"]).await?;
        for (table, column) in columns(Shape::of(manager)) {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns(shape: Shape) -> Vec<(&'static str, ColumnDef)> {
    vec![("thread", shape.time("held_until")), ("message", shape.time("sends_at"))]
}
