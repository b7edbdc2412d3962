//! Indexes for deleting: the rows that refer to a file, and the read marks of a thread.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::indexes::{Definition, Rows, replace};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INDEXES: [Definition; 3] = [
    ("ix_media_digest", "media", &["agency_id", "digest"], Rows::With("digest")),
    ("ix_voicemail_digest", "voicemail", &["agency_id", "digest"], Rows::With("digest")),
    ("ix_read_mark_thread", "read_mark", &["agency_id", "thread_id"], Rows::All),
];

/// MariaDB has an index for the foreign key of read marks already.
const ON_MARIADB: [Definition; 2] = [
    ("ix_media_digest", "media", &["agency_id", "digest"], Rows::All),
    ("ix_voicemail_digest", "voicemail", &["agency_id", "digest"], Rows::All),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, &[], indexes(manager)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, indexes(manager), &[]).await
    }
}

fn indexes(manager: &SchemaManager<'_>) -> &'static [Definition] {
    match manager.get_database_backend() {
        DbBackend::MySql => &ON_MARIADB,
        _ => &INDEXES,
    }
}
