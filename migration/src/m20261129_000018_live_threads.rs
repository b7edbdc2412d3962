//! Columns for live lists of threads: revisions of threads and calls, the time of the last message, the time at which a
//! contact began to wait for a reply, and events with the kind of the change.

use sea_orm_migration::prelude::*;

use crate::columns::Shape;

/// A thread waits for a reply since the first inbound message after the last message of a user.
const FILL_WAITING: &str = "UPDATE thread SET waiting_since = (SELECT MIN(received.created_at) FROM message AS received \
    WHERE received.agency_id = thread.agency_id AND received.thread_id = thread.id AND received.direction = 'INBOUND' \
    AND NOT EXISTS (SELECT 1 FROM message AS sent WHERE sent.agency_id = received.agency_id \
        AND sent.thread_id = received.thread_id AND sent.direction = 'OUTBOUND' AND sent.sender_id IS NOT NULL \
        AND sent.created_at > received.created_at)) \
    WHERE inbound_count > answered_count";
const FILL_LAST_MESSAGE: &str = "UPDATE thread SET last_message_at = (SELECT last.created_at FROM message AS last \
    WHERE last.agency_id = thread.agency_id AND last.id = thread.last_message_id)";
const RENAME_EVENTS: &str = "UPDATE event SET kind = CASE WHEN message_id IS NULL THEN 'THREAD_ACTIVITY' \
    ELSE 'MESSAGE_STATUS' END WHERE kind = 'THREAD_UPDATED'";
const RESTORE_EVENTS: &str = "UPDATE event SET kind = 'THREAD_UPDATED', node_id = NULL \
    WHERE kind IN ('THREAD_ACTIVITY', 'MESSAGE_STATUS', 'OUTBOUND_MESSAGE', 'CONTACT_UPDATED', 'THREAD_READ', \
        'DRAFT_CHANGED', 'NOTIFICATION_READ')";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns(Shape::of(manager)) {
            manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
        }
        let connection = manager.get_connection();
        for update in [FILL_LAST_MESSAGE, FILL_WAITING, RENAME_EVENTS] {
            connection.execute_unprepared(update).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(RESTORE_EVENTS).await?;
        for (table, column) in columns(Shape::of(manager)) {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).take()).await?;
        }
        Ok(())
    }
}

fn columns(shape: Shape) -> Vec<(&'static str, ColumnDef)> {
    let revision = || ColumnDef::new("revision").integer().not_null().default(0).take();
    vec![
        ("thread", revision()),
        ("thread", shape.time("last_message_at")),
        ("thread", shape.time("waiting_since")),
        ("call", revision()),
    ]
}
