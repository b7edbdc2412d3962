//! The quarantine, the audit log, and idempotency keys.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, create, drop, id, index, optional_id, primary, unique, word};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let quarantine = shape
            .table("quarantine")
            .col(id("id"))
            .col(id("twilio_account_id"))
            .col(shape.text("provider_sid", 64).not_null())
            .col(shape.text("to_address", 64).not_null())
            .col(optional_id("agency_id"))
            .col(shape.text("reason", 32).not_null())
            .col(shape.long_text("form").not_null())
            .col(word("state"))
            .col(shape.time("created_at").not_null())
            .col(shape.time("settled_at"))
            .primary_key(&mut primary(&["id"]))
            .foreign_key(ForeignKey::create().from_col("twilio_account_id").to_tbl("twilio_account").to_col("id"))
            .take();
        let audit = shape
            .table("audit")
            .col(id("agency_id"))
            .col(id("id"))
            .col(optional_id("actor_id"))
            .col(shape.text("action", 64).not_null())
            .col(shape.text("node_id", 40).not_null())
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .take();
        let idempotency_keys = shape
            .table("idempotency_key")
            .col(id("agency_id"))
            .col(id("user_id"))
            .col(shape.text("key", 128).not_null())
            .col(shape.text("request_hash", 64).not_null())
            .col(id("message_id"))
            .col(shape.time("created_at").not_null())
            .primary_key(&mut primary(&["agency_id", "user_id", "key"]))
            .take();
        let indexes = vec![
            unique("uq_quarantine_sid", "quarantine", &["twilio_account_id", "provider_sid"]),
            index("ix_quarantine_agency", "quarantine", &["agency_id", "state", "created_at"]),
            index("ix_audit_created", "audit", &["agency_id", "created_at"]),
        ];
        create(manager, vec![quarantine, audit, idempotency_keys], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["idempotency_key", "audit", "quarantine"]).await
    }
}
