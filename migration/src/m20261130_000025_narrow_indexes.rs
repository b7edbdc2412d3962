//! Indexes without the rows that no query looks for, and notifications of a user in the order of their ids.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Indexes of columns that are NULL in most rows: name, table, columns, and the column that is mostly NULL.
const MOSTLY_NULL: [(&str, &str, &[&str], &str); 5] = [
    ("ix_notification_call", "notification", &["agency_id", "call_id", "user_id"], "call_id"),
    ("ix_thread_assignee", "thread", &["agency_id", "assignee_id", "last_activity_at"], "assignee_id"),
    ("ix_thread_escalate", "thread", &["escalate_at"], "escalate_at"),
    ("ix_call_starter", "call", &["agency_id", "started_by_id", "started_at"], "started_by_id"),
    ("ix_call_look", "call", &["look_at"], "look_at"),
];

const BY_TIME: (&str, &[&str]) = ("ix_notification_user", &["agency_id", "user_id", "created_at", "id"]);

/// MariaDB needs an index of the foreign key's columns.
fn by_id(backend: DbBackend) -> (&'static str, &'static [&'static str]) {
    match backend {
        DbBackend::MySql => ("ix_notification_user_id", &["agency_id", "user_id", "id"]),
        _ => ("ix_notification_user_id", &["user_id", "id"]),
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        replace(manager, BY_TIME, by_id(backend)).await?;
        // MariaDB has no partial indexes.
        if backend != DbBackend::MySql {
            for (name, table, columns, nullable) in MOSTLY_NULL {
                manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
                let index = index(name, table, columns).and_where(Expr::col(nullable).is_not_null()).take();
                manager.create_index(index).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        if backend != DbBackend::MySql {
            for (name, table, columns, _) in MOSTLY_NULL {
                manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
                manager.create_index(index(name, table, columns)).await?;
            }
        }
        replace(manager, by_id(backend), BY_TIME).await
    }
}

/// Replaces an index of notifications. The other one is created first, because MariaDB needs either.
async fn replace(
    manager: &SchemaManager<'_>,
    (old, _): (&'static str, &'static [&'static str]),
    (name, columns): (&'static str, &'static [&'static str]),
) -> Result<(), DbErr> {
    manager.create_index(index(name, "notification", columns)).await?;
    manager.drop_index(Index::drop().name(old).table("notification").to_owned()).await
}
