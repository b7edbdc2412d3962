//! Indexes without the rows that no query looks for, and notifications of a user in the order of their ids.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::indexes::{Definition, Rows, replace};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The indexes before this migration, each with the one that takes its place.
const REPLACED: [(Definition, Definition); 6] = [
    (
        ("ix_notification_user", "notification", &["agency_id", "user_id", "created_at", "id"], Rows::All),
        ("ix_notification_of_user", "notification", &["agency_id", "user_id", "id"], Rows::All),
    ),
    (
        ("ix_notification_call", "notification", &["agency_id", "call_id", "user_id"], Rows::All),
        ("ix_notification_of_call", "notification", &["agency_id", "call_id", "user_id"], Rows::With("call_id")),
    ),
    (
        ("ix_thread_assignee", "thread", &["agency_id", "assignee_id", "last_activity_at"], Rows::All),
        ("ix_thread_assigned", "thread", &["agency_id", "assignee_id", "last_activity_at"], Rows::With("assignee_id")),
    ),
    (
        ("ix_thread_escalate", "thread", &["escalate_at"], Rows::All),
        ("ix_thread_escalating", "thread", &["escalate_at"], Rows::With("escalate_at")),
    ),
    (
        ("ix_call_starter", "call", &["agency_id", "started_by_id", "started_at"], Rows::All),
        ("ix_call_started_by", "call", &["agency_id", "started_by_id", "started_at"], Rows::With("started_by_id")),
    ),
    (
        ("ix_call_look", "call", &["look_at"], Rows::All),
        ("ix_call_to_look_at", "call", &["look_at"], Rows::With("look_at")),
    ),
];

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

/// MariaDB has no partial indexes and keeps those that are whole.
fn replaced(manager: &SchemaManager<'_>) -> (Vec<Definition>, Vec<Definition>) {
    let is_partial = |(_, (.., rows)): &(Definition, Definition)| *rows != Rows::All;
    let has_partial = manager.get_database_backend() != DbBackend::MySql;
    REPLACED.into_iter().filter(|pair| has_partial || !is_partial(pair)).unzip()
}
