//! Connections, and how each kind of database is set up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};

use super::cancellation::watch;
use crate::ports::private_file;

/// How long a statement waits for a connection, or on SQLite for another process's write.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a statement for the API waits for a connection.
const REQUEST_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may have rested and is still taken without being asked whether it is there.
const STALE: Duration = Duration::from_secs(1);
/// Enough for every statement of the writer in each of its sizes: five tables, up to 64 rows each, and
/// what reads.
const PREPARED_STATEMENTS: usize = 512;
/// Statement timeout in seconds. A statement does not occupy a lane for longer; webhooks answer 503 after 9 s.
const STATEMENT_TIMEOUT: u32 = 8;
/// Statement timeout in seconds of the connections that serve the API: a request has no longer than this.
const REQUEST_STATEMENT_TIMEOUT: u32 = 5;
/// Connections that serve the API.
pub const REQUEST_CONNECTIONS: u32 = 8;
/// Connections that serve webhooks, workers, accounts, directories and readiness.
const SYSTEM_CONNECTIONS: u32 = 4;

/// Where the data are, and how to reach them.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
    /// The pool for webhooks, workers, accounts, directories and readiness, which must not wait for the API. On SQLite its connections cannot write.
    pub reader: DatabaseConnection,
    /// The pool for the API. On SQLite its connections cannot write.
    pub request_reader: DatabaseConnection,
    statements: Arc<AtomicU64>,
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It does not answer. Its address is left out on purpose: it holds a password.
    #[error("the database cannot be reached")]
    Unreachable(#[from] DbErr),
    /// The SQLite file holds clients' texts, and other users of this machine could read it.
    #[error("the database file cannot be made private: {0}")]
    NotPrivate(std::io::Error),
}

impl Database {
    /// Opens the database at `url`: `sqlite:`, `postgres:` or `mysql:`.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn open(url: &str) -> Result<Self, ConnectError> {
        if let Some(file) = sqlite_file(url) {
            make_private(&file, url).map_err(ConnectError::NotPrivate)?;
        }
        // SQLite makes a file only for a connection that may write, so the writer's comes first.
        connect(url, Use::Migrate).await?.close().await?;
        let mut reader = connect(url, Use::Read).await?;
        let mut request_reader = connect(url, Use::ReadForRequest).await?;
        let statements = Arc::new(AtomicU64::new(0));
        for pool in [&mut reader, &mut request_reader] {
            let counter = statements.clone();
            pool.set_metric_callback(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
            });
        }
        Ok(Self { url: url.to_owned(), reader, request_reader, statements })
    }

    /// How many statements have read since the start.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// One connection of its own that may write: a lane's.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(super) async fn connect_to_write(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.url, Use::Write).await
    }

    /// One connection on which a statement may take as long as it needs: for migrations.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect_to_migrate(&self) -> Result<DatabaseConnection, DbErr> {
        connect(&self.url, Use::Migrate).await
    }

    /// One connection of its own that listens to other instances: PostgreSQL's alone can.
    pub(super) async fn connect_to_listen(&self) -> Result<DatabaseConnection, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return Err(DbErr::BackendNotSupported { db: "this database", ctx: "LISTEN" });
        }
        connect(&self.url, Use::Read).await
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

/// The file of an SQLite database; `None` for another kind of database and for one in memory.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest).split('?').next().unwrap_or_default();
    (!path.is_empty() && !path.starts_with(':')).then(|| PathBuf::from(path))
}

/// Sees to it that only the server's user can read the database. SQLite gives its log and its index of the log the
/// mode of the file, so a file that is created private keeps them private; those that are there already are restricted.
fn make_private(file: &Path, url: &str) -> std::io::Result<()> {
    // Without its folder there is nothing to protect, and connecting says so.
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
enum Use {
    Read,
    ReadForRequest,
    Write,
    Migrate,
}

impl Use {
    fn connections(self) -> u32 {
        match self {
            Self::Read => SYSTEM_CONNECTIONS,
            Self::ReadForRequest => REQUEST_CONNECTIONS,
            Self::Write | Self::Migrate => 1,
        }
    }

    /// How long a statement waits for a connection. Queries of the API have deadlines of their own; subscriptions that
    /// replay events have none, and wait for each other instead of failing.
    fn acquire_timeout(self) -> Duration {
        match self {
            Self::ReadForRequest => REQUEST_ACQUIRE_TIMEOUT,
            Self::Read | Self::Write | Self::Migrate => PATIENCE,
        }
    }

    /// In seconds. SQLite has none.
    fn statement_timeout(self) -> Option<u32> {
        match self {
            Self::Read | Self::Write => Some(STATEMENT_TIMEOUT),
            Self::ReadForRequest => Some(REQUEST_STATEMENT_TIMEOUT),
            Self::Migrate => None,
        }
    }
}

async fn connect(url: &str, purpose: Use) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(purpose.connections())
        .min_connections(1)
        .acquire_timeout(purpose.acquire_timeout())
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
            match purpose {
                Use::Read | Use::ReadForRequest => sqlite.pragma("query_only", "ON"),
                Use::Write | Use::Migrate => sqlite,
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
            // The isolation is PostgreSQL's default; MariaDB's would read one old snapshot through a
            // whole batch.
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
        // A file does not go away.
        options.test_before_acquire(false);
        if purpose == Use::ReadForRequest {
            options.map_sqlx_sqlite_before_acquire(|connection, _| {
                Box::pin(async move { watch(connection).await.map(|()| true) })
            });
        }
    } else {
        // A ping is a round trip. If a connection breaks within a second of its last use, one statement fails.
        options.test_before_acquire_if_idle_for(STALE);
    }
    sea_orm::Database::connect(options).await
}
