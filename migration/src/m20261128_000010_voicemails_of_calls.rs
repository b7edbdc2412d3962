//! Several voicemails per call, recordings that the carrier reports as absent, and the columns of a call that limit the
//! missed-call text.

use sea_orm_migration::prelude::*;

use crate::columns::{Shape, unique};

/// Deletes absent recordings and all but the oldest voicemail of each call, which the previous schema cannot hold.
/// MariaDB needs the derived table because it cannot delete from a table that the same statement reads.
const SURPLUS_VOICEMAILS: &str = "DELETE FROM voicemail WHERE absent_at IS NOT NULL OR EXISTS (\
    SELECT 1 FROM (SELECT agency_id, call_id, id, created_at FROM voicemail WHERE absent_at IS NULL) AS older \
    WHERE older.agency_id = voicemail.agency_id AND older.call_id = voicemail.call_id \
    AND (older.created_at < voicemail.created_at \
        OR older.created_at = voicemail.created_at AND older.id < voicemail.id))";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns(Shape::of(manager)) {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        // On MariaDB, the foreign key to the call requires one of the two indexes at any time.
        manager.create_index(per_recording()).await?;
        manager.drop_index(Index::drop().name("uq_voicemail_call").table("voicemail").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(SURPLUS_VOICEMAILS).await?;
        manager.create_index(unique("uq_voicemail_call", "voicemail", &["agency_id", "call_id"])).await?;
        manager.drop_index(Index::drop().name("uq_voicemail_recording").table("voicemail").to_owned()).await?;
        for (table, column) in columns(Shape::of(manager)) {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

/// Repeated reports of the same recording belong to one voicemail.
fn per_recording() -> IndexCreateStatement {
    unique("uq_voicemail_recording", "voicemail", &["agency_id", "call_id", "recording_sid"])
}

fn columns(shape: Shape) -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("voicemail", shape.time("absent_at")),
        ("call", ColumnDef::new("caller_id_verification").string_len(32).take()),
        ("call", shape.time("missed_call_text_at")),
    ]
}
