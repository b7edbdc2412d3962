//! Fair queuing of a number's texts among their senders, and daily text quotas of users and agencies.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, count, create, drop, id, index, optional_id, primary, to_agency};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TURN: &str = "ix_outbox_turn";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let sender = optional_id("sender_id");
        let turn = ColumnDef::new("turn").big_integer().not_null().default(0).take();
        for column in [sender, turn] {
            manager.alter_table(Table::alter().table("outbox").add_column(column).take()).await?;
        }
        let quota = shape
            .table("text_quota")
            .col(id("agency_id"))
            .col(id("user_id"))
            .col(shape.time("began_at").not_null())
            .col(count("texts"))
            .primary_key(&mut primary(&["agency_id", "user_id"]))
            .foreign_key(&mut to_agency())
            .take();
        let turn = index(TURN, "outbox", &["agency_id", "phone_number_id", "state", "turn", "message_id"]);
        create(manager, vec![quota], vec![turn]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["text_quota"]).await?;
        manager.drop_index(Index::drop().name(TURN).table("outbox").to_owned()).await?;
        for column in ["turn", "sender_id"] {
            manager.alter_table(Table::alter().table("outbox").drop_column(column).take()).await?;
        }
        Ok(())
    }
}
