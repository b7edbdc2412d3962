//! Indexes for lists whose rows are few among a long history: the unread notifications of a user, the threads of a user,
//! and the open threads.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::indexes::{Definition, Rows, replace};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite sorts by an index only if the index has all columns of the order. The indexes end in the ID for that.
const THREADS_BEFORE: [Definition; 2] = [
    ("ix_thread_assigned", "thread", &["agency_id", "assignee_id", "last_activity_at"], Rows::With("assignee_id")),
    ("ix_thread_status", "thread", &["agency_id", "status", "last_activity_at"], Rows::All),
];
const THREADS: [Definition; 2] = [
    (
        "ix_thread_of_assignee",
        "thread",
        &["agency_id", "assignee_id", "last_activity_at", "id"],
        Rows::With("assignee_id"),
    ),
    ("ix_thread_of_status", "thread", &["agency_id", "status", "last_activity_at", "id"], Rows::All),
];

const NOTIFICATIONS_BEFORE: [Definition; 1] =
    [("ix_notification_of_user", "notification", &["agency_id", "user_id", "id"], Rows::All)];
/// A notification is in one of the two, so that the text that creates it does not take longer.
const NOTIFICATIONS: [Definition; 2] = [
    ("ix_notification_unread", "notification", &["agency_id", "user_id", "id"], Rows::Without("read_at")),
    ("ix_notification_read", "notification", &["agency_id", "user_id", "id"], Rows::With("read_at")),
];

/// MariaDB has no partial indexes. The indexes of threads end in the ID there without being told to.
const ON_MARIADB: [Definition; 1] =
    [("ix_notification_unread", "notification", &["agency_id", "user_id", "read_at", "id"], Rows::All)];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// On SQLite, an interrupted migration would otherwise leave some of the indexes behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (before, after) = replaced(manager);
        replace(manager, &before, &after).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (before, after) = replaced(manager);
        replace(manager, &after, &before).await
    }
}

fn replaced(manager: &SchemaManager<'_>) -> (Vec<Definition>, Vec<Definition>) {
    match manager.get_database_backend() {
        DbBackend::MySql => (Vec::new(), ON_MARIADB.to_vec()),
        _ => ([&THREADS_BEFORE[..], &NOTIFICATIONS_BEFORE].concat(), [&THREADS[..], &NOTIFICATIONS].concat()),
    }
}
