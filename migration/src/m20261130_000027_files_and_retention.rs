//! Files of texts, uploads, reconciliation with the carrier, and retention.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::columns::{Shape, count, create, drop, id, index, primary, to_agency, unique, within_agency};
use crate::indexes::{Definition, Rows, replace};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// `media.due_at` has a value only while the file has to be fetched.
const DUE: [Definition; 1] = [("ix_media_due", "media", &["due_at"], Rows::With("due_at"))];
const DUE_ON_MARIADB: [Definition; 1] = [("ix_media_due", "media", &["due_at"], Rows::All)];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// On SQLite, an interrupted migration would otherwise leave some of the tables behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        for (table, column) in columns(shape) {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        // Files that earlier releases only listed are fetched now.
        let fetch = "UPDATE media SET due_at = (SELECT created_at FROM message WHERE message.agency_id = media.agency_id \
                     AND message.id = media.message_id) WHERE state = 'PENDING'";
        manager.get_connection().execute_unprepared(fetch).await?;
        replace(manager, &[], due(manager)).await?;
        let indexes = vec![
            index("ix_upload_age", "upload", &["created_at"]),
            index("ix_carrier_deletion_due", "carrier_deletion", &["due_at"]),
            unique("uq_carrier_deletion", "carrier_deletion", &["twilio_account_id", "path"]),
        ];
        create(manager, tables(shape), indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["carrier_deletion", "late_arrival", "reconciliation", "upload"]).await?;
        replace(manager, due(manager), &[]).await?;
        for (table, column) in columns(Shape::of(manager)) {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn due(manager: &SchemaManager<'_>) -> &'static [Definition] {
    match manager.get_database_backend() {
        DbBackend::MySql => &DUE_ON_MARIADB,
        _ => &DUE,
    }
}

fn columns(shape: Shape) -> Vec<(&'static str, ColumnDef)> {
    let optional_count = |name| ColumnDef::new(name).integer().null().take();
    vec![
        ("media", shape.text("digest", 64)),
        ("media", ColumnDef::new("failure").string_len(32).null().take()),
        ("media", optional_count("byte_size")),
        ("media", shape.text("file_name", 255)),
        ("media", count("attempts").default(0).take()),
        ("media", shape.time("due_at")),
        ("notification", shape.text("node_id", 64)),
        ("agency", optional_count("messages_days")),
        ("agency", optional_count("media_days")),
        ("agency", optional_count("recordings_days")),
        ("agency", count("events_days").default(30).take()),
        ("agency", ColumnDef::new("delete_at_carrier").boolean().not_null().default(false).take()),
    ]
}

fn tables(shape: Shape) -> Vec<TableCreateStatement> {
    let upload = shape
        .table("upload")
        .col(id("agency_id"))
        .col(id("id"))
        .col(id("user_id"))
        .col(shape.text("digest", 64).not_null())
        .col(shape.text("content_type", 255).not_null())
        .col(count("byte_size"))
        .col(shape.text("file_name", 255))
        .col(shape.time("created_at").not_null())
        .primary_key(&mut primary(&["agency_id", "id"]))
        .foreign_key(&mut within_agency("user_id", "user_account"))
        .take();
    let reconciliation = shape
        .table("reconciliation")
        .col(id("twilio_account_id"))
        .col(shape.time("reconciled_until").not_null())
        .col(shape.time("leased_until"))
        .col(shape.time("completed_at"))
        .primary_key(&mut primary(&["twilio_account_id"]))
        .foreign_key(ForeignKey::create().from_col("twilio_account_id").to_tbl("twilio_account").to_col("id"))
        .take();
    let late_arrival = shape
        .table("late_arrival")
        .col(id("agency_id"))
        .col(id("id"))
        .col(count("texts"))
        .col(count("calls"))
        .col(count("voicemails"))
        .col(shape.time("first_at").not_null())
        .col(shape.time("last_at").not_null())
        .col(shape.time("created_at").not_null())
        .primary_key(&mut primary(&["agency_id", "id"]))
        .foreign_key(&mut to_agency())
        .take();
    let carrier_deletion = shape
        .table("carrier_deletion")
        .col(id("id"))
        .col(id("twilio_account_id"))
        .col(shape.text("path", 128).not_null())
        .col(count("attempts"))
        .col(shape.time("due_at").not_null())
        .col(shape.time("created_at").not_null())
        .primary_key(&mut primary(&["id"]))
        .foreign_key(ForeignKey::create().from_col("twilio_account_id").to_tbl("twilio_account").to_col("id"))
        .take();
    vec![upload, reconciliation, late_arrival, carrier_deletion]
}
