//! Indexes that find the rows that refer to a file, before the file is deleted.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::indexes::{Definition, Rows, replace};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const BY_DIGEST: [Definition; 3] = [
    ("ix_media_digest", "media", &["agency_id", "digest"], Rows::With("digest")),
    ("ix_voicemail_digest", "voicemail", &["agency_id", "digest"], Rows::With("digest")),
    ("ix_upload_digest", "upload", &["agency_id", "digest"], Rows::All),
];
const ON_MARIADB: [Definition; 3] = [
    ("ix_media_digest", "media", &["agency_id", "digest"], Rows::All),
    ("ix_voicemail_digest", "voicemail", &["agency_id", "digest"], Rows::All),
    ("ix_upload_digest", "upload", &["agency_id", "digest"], Rows::All),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// On SQLite, an interrupted migration would otherwise leave some of the indexes behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, &[], by_digest(manager)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, by_digest(manager), &[]).await
    }
}

fn by_digest(manager: &SchemaManager<'_>) -> &'static [Definition] {
    match manager.get_database_backend() {
        DbBackend::MySql => &ON_MARIADB,
        _ => &BY_DIGEST,
    }
}
