//! The ordered log of each agency, its head, and the notifications that its events caused.

use sea_orm_migration::prelude::*;

use crate::columns::{
    Shape, create, drop, id, index, optional_id, position, primary, to_agency, unique, within_agency, word,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let positions = shape
            .table("agency_position")
            .col(id("agency_id"))
            .col(id("epoch"))
            .col(position("position"))
            .col(position("directory_version"))
            .col(position("first_kept"))
            .primary_key(&mut primary(&["agency_id"]))
            .foreign_key(&mut to_agency())
            .take();
        let events = shape
            .table("event")
            .col(id("agency_id"))
            .col(position("position"))
            .col(word("kind"))
            .col(optional_id("thread_id"))
            .col(optional_id("message_id"))
            .col(shape.text("node_id", 40))
            .col(shape.long_text("lost_by"))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "position"]))
            .take();
        let notifications = shape
            .table("notification")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("user_id"))
            .col(position("event_position"))
            .col(word("kind"))
            .col(optional_id("thread_id"))
            .col(optional_id("message_id"))
            .col(ColumnDef::new("rung").string_len(32))
            .col(shape.time("read_at"))
            .col(shape.time("resolved_at"))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("user_id", "user_account"))
            .foreign_key(&mut within_agency("thread_id", "thread"))
            .take();
        let indexes = vec![
            // One notification per user and event. The key is also used to find the recipients of an event.
            unique("uq_notification_cause", "notification", &["agency_id", "event_position", "user_id"]),
            index("ix_notification_user", "notification", &["agency_id", "user_id", "created_at", "id"]),
            index("ix_notification_thread", "notification", &["agency_id", "thread_id", "user_id"]),
        ];
        create(manager, vec![positions, events, notifications], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["notification", "event", "agency_position"]).await
    }
}
