//! PostgreSQL's NOTIFY and LISTEN, with which instances on one database wake each other.
//!
//! This uses raw SQL and the driver's listener because SeaORM supports neither command. A notification is only a hint:
//! its receiver reads the events from the log.

use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};

use super::Database;

const CHANNEL: &str = "partyline_events";
/// Maximum payload in bytes. PostgreSQL's own limit is just under 8,000.
pub const MAX_PAYLOAD: usize = 7_900;

/// Sends a notification to all listeners.
///
/// Call this outside of and after the writing transaction: within one, NOTIFY takes a lock that serializes all commits
/// of the server.
pub async fn notify(conn: &DatabaseConnection, payload: &str) -> Result<(), DbErr> {
    let values = [CHANNEL.into(), payload.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
    conn.query_one_raw(statement).await.map(drop)
}

/// A connection that receives notifications.
pub struct Listener(PgListener);

impl Listener {
    /// Starts to listen. Fails unless the database is PostgreSQL.
    pub async fn open(database: &Database) -> Result<Self, DbErr> {
        let conn = database.connect_to_listen().await?;
        let mut listener = PgListener::connect_with(conn.get_postgres_connection_pool()).await.map_err(conn_error)?;
        listener.listen(CHANNEL).await.map_err(conn_error)?;
        Ok(Self(listener))
    }

    /// Waits for the next payload. `None` means that the connection was lost and has been restored, so notifications
    /// may have been missed.
    pub async fn recv(&mut self) -> Result<Option<String>, DbErr> {
        let notification = self.0.try_recv().await.map_err(conn_error)?;
        Ok(notification.map(|notification| notification.payload().to_owned()))
    }
}

fn conn_error(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
