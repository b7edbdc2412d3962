//! The one-time codes with which users sign in.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, create, drop, id, index, primary, within_agency};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let codes = shape
            .table("sign_in_code")
            .col(id("agency_id"))
            .col(shape.text("digest", 64).not_null())
            .col(id("user_id"))
            .col(shape.time("expires_at").not_null())
            .primary_key(&mut primary(&["agency_id", "digest"]))
            .foreign_key(&mut within_agency("user_id", "user_account"))
            .take();
        let of_user = index("ix_sign_in_code_user", "sign_in_code", &["agency_id", "user_id"]);
        create(manager, vec![codes], vec![of_user]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["sign_in_code"]).await
    }
}
