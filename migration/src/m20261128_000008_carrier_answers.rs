//! Errors reported by Twilio: the problem of an account, the reason why a recording could not be fetched, and the error
//! code of a refused call.

use sea_orm_migration::prelude::*;

use crate::columns::Shape;

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
    let optional_word = |name| ColumnDef::new(name).string_len(32).null().take();
    vec![
        ("twilio_account", optional_word("trouble")),
        ("twilio_account", optional_word("trouble_request")),
        ("twilio_account", shape.time("trouble_since")),
        ("voicemail", optional_word("failure")),
        ("call", optional_word("error_code")),
    ]
}
