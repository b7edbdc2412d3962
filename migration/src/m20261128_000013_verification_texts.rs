//! Texted verification codes, so that they can be counted per user, phone and agency.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, create, drop, id, index, primary, to_agency};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let texts = shape
            .table("verification_text")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("user_id"))
            .col(shape.text("phone", 64).not_null())
            .col(shape.time("sent_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut to_agency())
            .take();
        let sent = index("ix_verification_text_sent", "verification_text", &["agency_id", "sent_at"]);
        create(manager, vec![texts], vec![sent]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["verification_text"]).await
    }
}
