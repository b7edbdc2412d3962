//! Database connections and the settings of each kind of database.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};

use super::cancellation::cancel_with_request;
use super::checkpoint::{LOG_FILE_BYTES, WRITER_CHECKPOINT_PAGES};
use super::direct_sqlite::{DirectSqlite, Pragma};
use crate::ports::private_file;

/// The page cache of the connection that writes to SQLite, in KiB.
const WRITER_CACHE_KIB: u32 = 64 << 10;
/// The same of a connection that reads. A page of an inbox whose threads are spread over years of history reads two
/// megabytes, which is all that SQLite's default would hold.
const READER_CACHE_KIB: u32 = 8 << 10;
/// How long opening a connection may take, and how long a statement waits for a free one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement of the API waits for a free connection.
const REQUEST_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a SQLite statement waits for the write lock of another process.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that were idle for longer are pinged before use.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Enough for the writer's statements (five tables, each with up to 64 rows) and for the queries.
const PREPARED_STATEMENTS: usize = 512;
/// Statement timeout in seconds, which bounds how long a statement can block a writer lane. It is shorter than the
/// deadline of webhooks (9 s).
const STATEMENT_TIMEOUT: u32 = 8;
/// Statement timeout in seconds for connections of the API, whose requests may not take longer anyway.
const REQUEST_STATEMENT_TIMEOUT: u32 = 5;
/// Maximum number of connections that serve the API.
pub const REQUEST_CONNECTIONS: u32 = 8;
/// Maximum number of connections that serve webhooks, workers, accounts, directories and readiness.
const SYSTEM_CONNECTIONS: u32 = 4;

/// A database and its pools of reading connections.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
    /// The pool for webhooks, workers, accounts, directories and readiness, which must not wait for the API. On SQLite
    /// its connections are read-only.
    pub reader: DatabaseConnection,
    /// The pool for the API. On SQLite its connections are read-only.
    pub request_reader: DatabaseConnection,
    statements: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The message omits the database URL because it contains a password.
    #[error("the database cannot be reached")]
    Unreachable(#[from] DbErr),
    /// The SQLite file contains contacts' messages, and other users of the machine could read it.
    #[error("the database file cannot be made private: {0}")]
    NotPrivate(std::io::Error),
}

impl Database {
    /// Opens the database at `url`: `sqlite:`, `postgres:` or `mysql:`.
    pub async fn open(url: &str) -> Result<Self, ConnectError> {
        if let Some(file) = sqlite_file(url) {
            make_private(&file, url).map_err(ConnectError::NotPrivate)?;
        }
        // Only a connection that may write creates the SQLite file, so one is opened before the read-only pools.
        connect(url, Purpose::Migrate).await?.close().await?;
        let mut reader = connect(url, Purpose::Read).await?;
        let mut request_reader = connect(url, Purpose::ReadForRequest).await?;
        let statements = Arc::new(AtomicU64::new(0));
        for pool in [&mut reader, &mut request_reader] {
            let counter = statements.clone();
            pool.set_metric_callback(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
            });
        }
        Ok(Self { url: url.to_owned(), reader, request_reader, statements })
    }

    /// The number of statements that the reading pools have executed since the start.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Opens the SQLite file for the writer's lane, without a thread of the driver.
    pub(super) fn open_direct(&self) -> Result<DirectSqlite, DbErr> {
        let options = SqliteConnectOptions::from_str(&self.url);
        let options = options.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
        DirectSqlite::open(options.get_filename(), SQLITE_BUSY_TIMEOUT, &direct_pragmas())
    }

    /// Opens a dedicated connection for a writer lane.
    pub(super) async fn connect_to_write(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.url, Purpose::Write).await
    }

    /// Opens a dedicated connection that moves SQLite's write-ahead log into the database file.
    pub(super) async fn connect_to_checkpoint(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.url, Purpose::Checkpoint).await
    }

    /// Opens a dedicated connection without a statement timeout, for migrations.
    pub async fn connect_to_migrate(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.url, Purpose::Migrate).await
    }

    /// Opens a dedicated connection for LISTEN. Fails unless the database is PostgreSQL.
    pub(super) async fn connect_to_listen(&self) -> Result<DatabaseConnection, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return Err(DbErr::BackendNotSupported { db: "this database", ctx: "LISTEN" });
        }
        connect(&self.url, Purpose::Read).await
    }

    pub fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    /// Whether the server is MySQL, which is not supported, rather than MariaDB. Both use the same driver.
    pub async fn is_mysql(&self) -> Result<bool, DbErr> {
        if self.backend() != DbBackend::MySql {
            return Ok(false);
        }
        let version = self.reader.query_one_raw(Statement::from_string(DbBackend::MySql, "SELECT VERSION()")).await?;
        let version: String = version.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        Ok(!version.contains("MariaDB"))
    }

    /// The tables of more than a megabyte for which PostgreSQL has no statistics, so that it plans their queries blindly:
    /// after a restore, or if autovacuum is off. Other databases have none to report.
    pub async fn tables_without_statistics(&self) -> Result<Vec<String>, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return Ok(Vec::new());
        }
        let query = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relkind = 'r' AND n.nspname = current_schema() AND pg_relation_size(c.oid) > 1048576 \
            AND NOT EXISTS (SELECT 1 FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname) \
            ORDER BY 1";
        let rows = self.reader.query_all_raw(Statement::from_string(DbBackend::Postgres, query)).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Fails if the database does not answer.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.reader.execute_unprepared("SELECT 1").await.map(drop)
    }
}

/// The file of a SQLite database; `None` for other databases and for in-memory databases.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest).split('?').next().unwrap_or_default();
    (!path.is_empty() && !path.starts_with(':')).then(|| PathBuf::from(path))
}

/// Makes the database file readable by the server's user only. SQLite creates the write-ahead log and its index with
/// the mode of the database file, so a private file keeps new ones private; existing ones are restricted here.
fn make_private(file: &Path, url: &str) -> std::io::Result<()> {
    // If the folder does not exist, there is nothing to protect, and connecting reports the error.
    let has_folder = file.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.exists());
    if url.contains("mode=rwc") && has_folder && !file.exists() {
        private_file::create(file, b"")?;
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        if private_file::restrict(&path)? {
            tracing::warn!(path = %path.display(), "other users could read this file; its permissions were restricted");
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    ReadForRequest,
    Write,
    Checkpoint,
    Migrate,
}

impl Purpose {
    fn connections(self) -> u32 {
        match self {
            Self::Read => SYSTEM_CONNECTIONS,
            Self::ReadForRequest => REQUEST_CONNECTIONS,
            Self::Write | Self::Checkpoint | Self::Migrate => 1,
        }
    }

    /// How long a statement waits for a free connection. Queries of the API have their own deadlines. Subscriptions
    /// that replay events have none: they should wait for each other instead of failing.
    fn acquire_timeout(self) -> Duration {
        match self {
            Self::ReadForRequest => REQUEST_ACQUIRE_TIMEOUT,
            Self::Read | Self::Write | Self::Checkpoint | Self::Migrate => CONNECT_TIMEOUT,
        }
    }

    /// In seconds. SQLite does not support it.
    fn statement_timeout(self) -> Option<u32> {
        match self {
            Self::Read | Self::Write | Self::Checkpoint => Some(STATEMENT_TIMEOUT),
            Self::ReadForRequest => Some(REQUEST_STATEMENT_TIMEOUT),
            Self::Migrate => None,
        }
    }
}

/// The settings of connections that write to SQLite.
fn writer_pragmas() -> Vec<Pragma> {
    vec![
        // An insert of many rows first saves each page that it changes, in a temporary file by default.
        ("temp_store", "MEMORY".to_owned()),
        ("cache_size", format!("-{WRITER_CACHE_KIB}")),
        ("wal_autocheckpoint", WRITER_CHECKPOINT_PAGES.to_string()),
        ("journal_size_limit", LOG_FILE_BYTES.to_string()),
    ]
}

/// The same with those that [`connect`] sets by name.
fn direct_pragmas() -> Vec<Pragma> {
    let durable = [("synchronous", "FULL".to_owned()), ("foreign_keys", "ON".to_owned())];
    durable.into_iter().chain(writer_pragmas()).collect()
}

async fn connect(url: &str, purpose: Purpose) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(purpose.connections())
        .min_connections(1)
        .acquire_timeout(purpose.acquire_timeout())
        .connect_timeout(CONNECT_TIMEOUT)
        // Statements may contain contacts' messages and phone numbers, which must not be logged.
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
                .foreign_keys(true)
                .statement_cache_capacity(PREPARED_STATEMENTS)
                .pragma("temp_store", "MEMORY");
            match purpose {
                Purpose::Read | Purpose::ReadForRequest => {
                    sqlite.pragma("query_only", "ON").pragma("cache_size", format!("-{READER_CACHE_KIB}"))
                }
                Purpose::Checkpoint => sqlite,
                Purpose::Write | Purpose::Migrate => {
                    writer_pragmas().into_iter().fold(sqlite, |sqlite, (name, value)| sqlite.pragma(name, value))
                }
            }
        })
        .map_sqlx_postgres_opts(move |postgres| {
            let postgres = postgres.statement_cache_capacity(PREPARED_STATEMENTS);
            match purpose.statement_timeout() {
                Some(seconds) => postgres.options([("statement_timeout", format!("{seconds}s"))]),
                None => postgres,
            }
        })
        .map_sqlx_mysql_opts(|mysql| mysql.statement_cache_capacity(PREPARED_STATEMENTS))
        .map_sqlx_mysql_pool_opts(move |pool| {
            // Same isolation level as PostgreSQL's default. MariaDB's default, REPEATABLE READ, would read from one
            // snapshot throughout a batch.
            pool.after_connect(move |connection, _| {
                Box::pin(async move {
                    use sea_orm::sqlx::Executor as _;
                    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                    connection.execute(isolation).await?;
                    let Some(seconds) = purpose.statement_timeout() else { return Ok(()) };
                    let bounds =
                        format!("SET SESSION max_statement_time = {seconds}, SESSION innodb_lock_wait_timeout = 5");
                    connection.execute(sea_orm::sqlx::AssertSqlSafe(bounds)).await.map(drop)
                })
            })
        });
    if url.starts_with("sqlite:") {
        // A file does not disconnect.
        options.test_before_acquire(false);
        if purpose == Purpose::ReadForRequest {
            options.map_sqlx_sqlite_before_acquire(|connection, _| {
                Box::pin(async move { cancel_with_request(connection).await.map(|()| true) })
            });
        }
    } else {
        // A ping costs a round trip. If a connection breaks within a second of its last use, one statement fails.
        options.test_before_acquire_if_idle_for(PING_AFTER_IDLE);
    }
    sea_orm::Database::connect(options).await
}
