//! Notes about contacts, and who took care of a voicemail.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, optional_id};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns(Shape::of(manager)) {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns(Shape::of(manager)) {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns(shape: Shape) -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("contact", shape.long_text("note")),
        ("voicemail", shape.time("handled_at")),
        ("voicemail", optional_id("handled_by_id")),
    ]
}
