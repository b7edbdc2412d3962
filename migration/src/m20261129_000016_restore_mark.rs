//! The mark by which a server detects a restored database.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, create, drop, primary};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let mark = shape
            .table("restore_mark")
            .col(ColumnDef::new("id").integer().not_null())
            .col(ColumnDef::new("restores").big_integer().not_null())
            .col(shape.text("identity", 128).not_null())
            .primary_key(&mut primary(&["id"]))
            .take();
        create(manager, vec![mark], Vec::new()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["restore_mark"]).await
    }
}
