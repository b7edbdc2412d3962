//! The row by which a server detects that its database has been restored from a backup.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait as _, QuerySelect as _, Statement};

use super::bulk::upsert;
use super::statements::Statements;
use crate::entity::agency_position;
use crate::entity::restore_mark::{Column, Entity, ID, Model};

/// The stored mark; `None` before the first start.
pub async fn find(conn: &impl ConnectionTrait) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(ID).one(conn).await
}

pub async fn save(conn: &impl Statements, restores: i64, identity: String) -> Result<(), DbErr> {
    let row = Model { id: ID, restores, identity };
    upsert(conn, vec![row], &[Column::Id], &[Column::Restores, Column::Identity]).await
}

/// The total number of events in the logs of all agencies. It grows with every change and
/// decreases only if an older backup is restored.
pub async fn events(conn: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let positions: Vec<i64> = agency_position::Entity::find()
        .select_only()
        .column(agency_position::Column::Position)
        .into_tuple()
        .all(conn)
        .await?;
    Ok(positions.into_iter().sum())
}

/// The database server's internal identity of the table: its object id, or its creation time. Loading a dump creates
/// the table again and changes it. Empty on SQLite, where a copy of the file is identical.
pub async fn identity(conn: &impl ConnectionTrait) -> Result<String, DbErr> {
    let backend = conn.get_database_backend();
    let text = async |sql: &str| {
        let row = conn.query_one_raw(Statement::from_string(backend, sql)).await?;
        row.map(|row| row.try_get_by_index::<String>(0)).transpose().map(Option::unwrap_or_default)
    };
    match backend {
        DbBackend::Postgres => {
            let table = "(SELECT oid FROM pg_database WHERE datname = current_database())::text || '.' || \
                         'restore_mark'::regclass::oid::text";
            match text(&format!("SELECT system_identifier::text || '.' || {table} FROM pg_control_system()")).await {
                Ok(identity) => Ok(identity),
                // Some hosting providers do not permit pg_control_system.
                Err(_) => text(&format!("SELECT {table}")).await,
            }
        }
        DbBackend::MySql => {
            text(
                "SELECT CAST(CREATE_TIME AS CHAR) FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'restore_mark'",
            )
            .await
        }
        _ => Ok(String::new()),
    }
}
