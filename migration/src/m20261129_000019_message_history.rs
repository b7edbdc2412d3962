//! The history of a text: whether the pool was muted when the text arrived, the changes of its delivery status, and the
//! text that it sends again.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, create, drop, id, index, optional_id, primary, within_agency, word};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            manager.alter_table(Table::alter().table("message").add_column(column).take()).await?;
        }
        let shape = Shape::of(manager);
        let steps = shape
            .table("delivery_step")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("message_id"))
            .col(word("status"))
            .col(word("source"))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("message_id", "message"))
            .take();
        let of_message = index("ix_delivery_step_message", "delivery_step", &["agency_id", "message_id", "id"]);
        create(manager, vec![steps], vec![of_message]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["delivery_step"]).await?;
        for column in columns() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table("message").drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns() -> [ColumnDef; 3] {
    let muted = ColumnDef::new("pool_muted").boolean().not_null().default(false).take();
    [muted, optional_id("resends_id"), optional_id("resent_as_id")]
}
