//! Contacts, their threads, and the messages in them.

use sea_orm_migration::prelude::*;

use crate::columns::{
    Shape, count, create, drop, id, index, optional_id, primary, to_agency, unique, within_agency, word,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let contacts = shape
            .table("contact")
            .col(id("agency_id"))
            .col(id("id"))
            .col(shape.text("phone", 64).not_null())
            .col(shape.text("name", 200))
            .col(optional_id("provider_user_id"))
            .col(shape.time("opted_out_at"))
            .col(shape.time("created_at").not_null())
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut to_agency())
            .take();
        let threads = shape
            .table("thread")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("phone_number_id"))
            .col(id("contact_id"))
            .col(word("status"))
            .col(optional_id("assignee_id"))
            .col(shape.time("claimed_at"))
            .col(optional_id("last_assignee_id"))
            .col(shape.time("closed_at"))
            .col(optional_id("extension_id"))
            .col(shape.time("escalate_at"))
            .col(optional_id("last_message_id"))
            .col(shape.time("last_activity_at").not_null())
            .col(count("inbound_count"))
            .col(count("answered_count"))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("phone_number_id", "phone_number"))
            .foreign_key(&mut within_agency("contact_id", "contact"))
            .foreign_key(&mut within_agency("assignee_id", "user_account"))
            .take();
        let activities = shape
            .table("thread_activity")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("thread_id"))
            .col(word("kind"))
            .col(optional_id("actor_id"))
            .col(optional_id("to_user_id"))
            .col(shape.long_text("note"))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("thread_id", "thread"))
            .take();
        let read_marks = shape
            .table("read_mark")
            .col(id("agency_id"))
            .col(id("user_id"))
            .col(id("thread_id"))
            .col(count("seen_count"))
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "user_id", "thread_id"]))
            .foreign_key(&mut within_agency("thread_id", "thread"))
            .take();
        let messages = shape
            .table("message")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("thread_id"))
            .col(word("direction"))
            .col(shape.long_text("body").not_null())
            .col(word("status"))
            .col(optional_id("sender_id"))
            .col(optional_id("extension_id"))
            .col(id("twilio_account_id"))
            .col(shape.text("provider_sid", 64))
            .col(ColumnDef::new("routed_by").string_len(32))
            .col(shape.text("error_code", 16))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("thread_id", "thread"))
            .take();
        let media = shape
            .table("media")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("message_id"))
            .col(count("ordinal"))
            .col(shape.text("content_type", 255).not_null())
            .col(shape.long_text("source_url").not_null())
            .col(word("state"))
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("message_id", "message"))
            .take();
        let indexes = vec![
            unique("uq_contact_phone", "contact", &["agency_id", "phone"]),
            unique("uq_thread_pair", "thread", &["agency_id", "contact_id", "phone_number_id"]),
            index("ix_thread_inbox", "thread", &["agency_id", "last_activity_at", "id"]),
            index("ix_thread_assignee", "thread", &["agency_id", "assignee_id", "last_activity_at"]),
            index("ix_thread_status", "thread", &["agency_id", "status", "last_activity_at"]),
            index("ix_thread_escalate", "thread", &["escalate_at"]),
            index("ix_activity_thread", "thread_activity", &["agency_id", "thread_id", "created_at", "id"]),
            unique("uq_message_sid", "message", &["agency_id", "twilio_account_id", "provider_sid"]),
            index("ix_message_thread", "message", &["agency_id", "thread_id", "created_at", "id"]),
            unique("uq_media_ordinal", "media", &["agency_id", "message_id", "ordinal"]),
        ];
        create(manager, vec![contacts, threads, activities, read_marks, messages, media], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["media", "message", "read_mark", "thread_activity", "thread", "contact"]).await
    }
}
