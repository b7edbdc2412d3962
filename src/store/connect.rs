//! Connections, and how each kind of database is set up.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

/// How long a statement waits for a connection, or on SQLite for another process's write.
const PATIENCE: Duration = Duration::from_secs(5);
/// Enough for every statement of the writer in each of its sizes.
const PREPARED_STATEMENTS: usize = 512;
const READERS: u32 = 8;

/// Where the data are, and how to reach them.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
    /// The pool that reads. On SQLite it refuses to write.
    pub reader: DatabaseConnection,
}

/// The database cannot be reached. The address is left out on purpose: it holds a password.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be reached")]
pub struct ConnectError(#[from] DbErr);

impl Database {
    /// Opens the database at `url`: `sqlite:`, `postgres:` or `mysql:`.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn open(url: &str) -> Result<Self, ConnectError> {
        // SQLite makes a file only for a connection that may write, so the writer's comes first.
        connect(url, Use::Write).await?.close().await?;
        let reader = connect(url, Use::Read).await?;
        Ok(Self { url: url.to_owned(), reader })
    }

    /// One connection of its own that may write: for the writer and for migrations.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect_to_write(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.url, Use::Write).await
    }

    /// Which kind of database it is.
    pub fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    /// Whether it is MySQL, which is not supported, and not MariaDB.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn is_mysql(&self) -> Result<bool, DbErr> {
        if self.backend() != DbBackend::MySql {
            return Ok(false);
        }
        let version = self.reader.query_one_raw(Statement::from_string(DbBackend::MySql, "SELECT VERSION()")).await?;
        let version: String = version.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        Ok(!version.contains("MariaDB"))
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.reader.execute_unprepared("SELECT 1").await.map(drop)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

async fn connect(url: &str, purpose: Use) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(if purpose == Use::Write { 1 } else { READERS })
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        // Statements hold texts and numbers of clients; they never reach a log.
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(PATIENCE)
                .foreign_keys(true)
                .statement_cache_capacity(PREPARED_STATEMENTS);
            if purpose == Use::Read { sqlite.pragma("query_only", "ON") } else { sqlite }
        })
        .map_sqlx_postgres_opts(|postgres| postgres.statement_cache_capacity(PREPARED_STATEMENTS))
        .map_sqlx_mysql_opts(|mysql| mysql.statement_cache_capacity(PREPARED_STATEMENTS))
        .map_sqlx_mysql_pool_opts(|pool| {
            // PostgreSQL's default; MariaDB's would read one old snapshot through a whole batch.
            pool.after_connect(|connection, _| {
                Box::pin(async move {
                    use sea_orm::sqlx::Executor as _;
                    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.map(drop)
                })
            })
        });
    if url.starts_with("sqlite:") {
        // A ping before each statement costs more than the statement, and a file does not go away.
        options.test_before_acquire(false);
    }
    sea_orm::Database::connect(options).await
}
