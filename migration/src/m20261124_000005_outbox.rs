//! The outbox, the rate-limit state of sending numbers, and related columns of messages, threads, numbers, agencies and
//! the audit log.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, count, create, drop, id, index, primary, to_agency, within_agency, word};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        for (table, column) in columns(shape) {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let outbox = shape
            .table("outbox")
            .col(id("agency_id"))
            .col(id("message_id"))
            .col(id("thread_id"))
            .col(id("phone_number_id"))
            .col(word("purpose"))
            .col(word("state"))
            .col(count("attempts"))
            .col(shape.time("due_at").not_null())
            .col(shape.time("attempted_at"))
            .primary_key(&mut primary(&["agency_id", "message_id"]))
            .foreign_key(&mut within_agency("message_id", "message"))
            .take();
        let pace = shape
            .table("sending_pace")
            .col(id("agency_id"))
            .col(id("phone_number_id"))
            .col(shape.time("spent_until").not_null())
            .primary_key(&mut primary(&["agency_id", "phone_number_id"]))
            .foreign_key(&mut to_agency())
            .take();
        let indexes = vec![
            index("ix_outbox_due", "outbox", &["state", "due_at"]),
            index("ix_outbox_number", "outbox", &["agency_id", "phone_number_id", "state", "message_id"]),
            index("ix_outbox_thread", "outbox", &["agency_id", "thread_id", "state", "message_id"]),
            index("ix_idempotency_created", "idempotency_key", &["created_at"]),
        ];
        create(manager, vec![outbox, pace], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name("ix_idempotency_created").table("idempotency_key").to_owned();
        manager.drop_index(index).await?;
        drop(manager, &["sending_pace", "outbox"]).await?;
        for (table, column) in columns(Shape::of(manager)) {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns(shape: Shape) -> Vec<(&'static str, ColumnDef)> {
    let number = |name, default: i32| ColumnDef::new(name).integer().not_null().default(default).take();
    vec![
        ("message", ColumnDef::new("segments").integer().null().take()),
        ("message", shape.time("flagged_at")),
        ("thread", shape.time("blocked_at")),
        ("phone_number", number("texts_per_second", 1)),
        ("phone_number", number("texts_burst", 5)),
        ("agency", ColumnDef::new("stop_reply").string_len(320).null().take()),
        ("agency", ColumnDef::new("help_reply").string_len(320).null().take()),
        ("audit", shape.long_text("note")),
    ]
}
