//! Indexes without the rows that no query looks for, and notifications of a user in the order of their ids.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::columns::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// An index: its name, table and columns, and the column without which a row is left out.
type Definition = (&'static str, &'static str, &'static [&'static str], Option<&'static str>);

/// The indexes before this migration, each with the one that takes its place.
const REPLACED: [(Definition, Definition); 6] = [
    (
        ("ix_notification_user", "notification", &["agency_id", "user_id", "created_at", "id"], None),
        ("ix_notification_of_user", "notification", &["agency_id", "user_id", "id"], None),
    ),
    (
        ("ix_notification_call", "notification", &["agency_id", "call_id", "user_id"], None),
        ("ix_notification_of_call", "notification", &["agency_id", "call_id", "user_id"], Some("call_id")),
    ),
    (
        ("ix_thread_assignee", "thread", &["agency_id", "assignee_id", "last_activity_at"], None),
        ("ix_thread_assigned", "thread", &["agency_id", "assignee_id", "last_activity_at"], Some("assignee_id")),
    ),
    (
        ("ix_thread_escalate", "thread", &["escalate_at"], None),
        ("ix_thread_escalating", "thread", &["escalate_at"], Some("escalate_at")),
    ),
    (
        ("ix_call_starter", "call", &["agency_id", "started_by_id", "started_at"], None),
        ("ix_call_started_by", "call", &["agency_id", "started_by_id", "started_at"], Some("started_by_id")),
    ),
    (("ix_call_look", "call", &["look_at"], None), ("ix_call_to_look_at", "call", &["look_at"], Some("look_at"))),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// On SQLite, an interrupted migration would otherwise leave some of the indexes behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace(manager, &replaced(manager)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let back: Vec<_> = replaced(manager).into_iter().map(|(before, after)| (after, before)).collect();
        replace(manager, &back).await
    }
}

async fn replace(manager: &SchemaManager<'_>, pairs: &[(Definition, Definition)]) -> Result<(), DbErr> {
    for (_, after) in pairs {
        create(manager, after).await?;
    }
    // Last, because PostgreSQL then blocks readers only while it commits.
    for (before, _) in pairs {
        drop(manager, before).await?;
    }
    Ok(())
}

/// MariaDB has no partial indexes and keeps those that are whole.
fn replaced(manager: &SchemaManager<'_>) -> Vec<(Definition, Definition)> {
    let is_partial = |(_, (_, _, _, nullable)): &(Definition, Definition)| nullable.is_some();
    let has_partial = manager.get_database_backend() != DbBackend::MySql;
    REPLACED.into_iter().filter(|pair| has_partial || !is_partial(pair)).collect()
}

/// Creates an index, unless it is left over from an attempt that was interrupted.
async fn create(manager: &SchemaManager<'_>, (name, table, columns, nullable): &Definition) -> Result<(), DbErr> {
    if manager.has_index(*table, *name).await? {
        return Ok(());
    }
    let mut index = index(name, table, columns);
    if let Some(column) = nullable {
        index.and_where(Expr::col(*column).is_not_null());
    }
    manager.create_index(index).await
}

async fn drop(manager: &SchemaManager<'_>, (name, table, ..): &Definition) -> Result<(), DbErr> {
    if !manager.has_index(*table, *name).await? {
        return Ok(());
    }
    manager.drop_index(Index::drop().name(*name).table(*table).to_owned()).await
}
