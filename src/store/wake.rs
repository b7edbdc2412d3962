//! PostgreSQL's NOTIFY and LISTEN: how instances on one database wake each other.
//!
//! Raw SQL and the driver's own listener, for SeaORM has neither. What is told is a hint, never data:
//! whoever hears it reads the log.

use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};

use super::Database;

const CHANNEL: &str = "partyline_events";
/// PostgreSQL takes less than 8,000 bytes.
pub const MAX_PAYLOAD: usize = 7_900;

/// Tells all who listen.
///
/// In a statement of its own, after the commit: within a transaction that writes, NOTIFY takes a lock
/// that makes all commits of the server serial.
///
/// # Errors
/// When the database fails.
pub async fn notify(conn: &DatabaseConnection, payload: &str) -> Result<(), DbErr> {
    let values = [CHANNEL.into(), payload.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
    conn.query_one_raw(statement).await.map(drop)
}

/// A connection that listens.
pub struct Listener(PgListener);

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the database cannot be reached, or is not PostgreSQL.
    pub async fn open(database: &Database) -> Result<Self, DbErr> {
        let conn = database.connect_to_listen().await?;
        let mut listener = PgListener::connect_with(conn.get_postgres_connection_pool()).await.map_err(conn_error)?;
        listener.listen(CHANNEL).await.map_err(conn_error)?;
        Ok(Self(listener))
    }

    /// The next thing that was told; `None` if the connection was lost and is there again, so that
    /// something may have been missed.
    ///
    /// # Errors
    /// When the connection is lost for good.
    pub async fn next(&mut self) -> Result<Option<String>, DbErr> {
        let told = self.0.try_recv().await.map_err(conn_error)?;
        Ok(told.map(|told| told.payload().to_owned()))
    }
}

fn conn_error(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
