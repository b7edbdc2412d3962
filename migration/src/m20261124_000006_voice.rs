//! Calls with their legs, voicemails, pending phone verifications, and related columns of pools, agencies, events and
//! notifications.

use sea_orm_migration::prelude::*;

use crate::columns::{
    Shape, count, create, drop, flag, id, index, optional_id, primary, to_agency, unique, within_agency, word,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        for (table, column) in columns(shape) {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let optional_count = |name| ColumnDef::new(name).integer().null().take();
        let calls = shape
            .table("call")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("phone_number_id"))
            .col(optional_id("contact_id"))
            .col(optional_id("thread_id"))
            .col(optional_id("extension_id"))
            .col(optional_id("mailbox_user_id"))
            .col(word("direction"))
            .col(id("twilio_account_id"))
            .col(shape.text("provider_sid", 64))
            .col(word("status"))
            .col(word("stage"))
            .col(count("step"))
            .col(count("wrong_tries"))
            .col(shape.text("accepted_sid", 64))
            .col(optional_id("answered_by_id"))
            .col(optional_id("started_by_id"))
            .col(shape.time("started_at").not_null())
            .col(shape.time("answered_at"))
            .col(shape.time("ended_at"))
            .col(ColumnDef::new("end").string_len(32))
            .col(flag("recorded"))
            .col(optional_count("duration_seconds"))
            .col(shape.time("look_at"))
            .col(shape.time("told_at"))
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("phone_number_id", "phone_number"))
            .foreign_key(&mut within_agency("contact_id", "contact"))
            .foreign_key(&mut within_agency("thread_id", "thread"))
            .take();
        let legs = shape
            .table("call_leg")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("call_id"))
            .col(optional_id("user_id"))
            .col(count("step"))
            .col(shape.text("provider_sid", 64))
            .col(word("state"))
            .col(shape.time("rang_at").not_null())
            .col(shape.time("picked_up_at"))
            .col(shape.time("ended_at"))
            .col(optional_count("duration_seconds"))
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("call_id", "call"))
            .take();
        let voicemails = shape
            .table("voicemail")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("call_id"))
            .col(id("twilio_account_id"))
            .col(shape.text("recording_sid", 64).not_null())
            .col(word("state"))
            .col(shape.text("digest", 64))
            .col(shape.text("content_type", 128))
            .col(count("attempts"))
            .col(shape.time("due_at").not_null())
            .col(count("duration_seconds"))
            .col(shape.long_text("transcript"))
            .col(shape.time("listened_at"))
            .col(optional_id("listened_by_id"))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("call_id", "call"))
            .take();
        let verifications = shape
            .table("phone_verification")
            .col(id("agency_id"))
            .col(id("user_id"))
            .col(shape.text("phone", 64).not_null())
            .col(shape.text("code_digest", 64).not_null())
            .col(count("wrong_codes"))
            .col(count("sent"))
            .col(shape.time("first_sent_at").not_null())
            .col(shape.time("expires_at").not_null())
            .primary_key(&mut primary(&["agency_id", "user_id"]))
            .foreign_key(&mut to_agency())
            .take();
        let indexes = vec![
            // Repeated requests for the same CallSid belong to one call.
            unique("uq_call_sid", "call", &["agency_id", "twilio_account_id", "provider_sid"]),
            index("ix_call_started", "call", &["agency_id", "started_at", "id"]),
            index("ix_call_thread", "call", &["agency_id", "thread_id", "started_at", "id"]),
            index("ix_call_starter", "call", &["agency_id", "started_by_id", "started_at"]),
            index("ix_call_look", "call", &["look_at"]),
            unique("uq_call_leg", "call_leg", &["agency_id", "call_id", "step", "user_id"]),
            unique("uq_voicemail_call", "voicemail", &["agency_id", "call_id"]),
            index("ix_voicemail_due", "voicemail", &["state", "due_at"]),
            index("ix_notification_call", "notification", &["agency_id", "call_id", "user_id"]),
        ];
        create(manager, vec![calls, legs, voicemails, verifications], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name("ix_notification_call").table("notification").to_owned();
        manager.drop_index(index).await?;
        drop(manager, &["phone_verification", "voicemail", "call_leg", "call"]).await?;
        for (table, column) in columns(Shape::of(manager)) {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns(shape: Shape) -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("event", optional_id("call_id")),
        ("notification", optional_id("call_id")),
        ("pool", shape.long_text("holidays")),
        ("pool", shape.long_text("greeting")),
        ("pool", shape.long_text("voicemail_greeting")),
        ("pool", shape.long_text("missed_call_text")),
        ("agency", shape.long_text("calling_countries")),
    ]
}
