//! A separate database for each test, dropped when the test ends.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use partyline::app::migrate_up;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use url::Url;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A test's database and media.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    /// Holds the recordings and, with SQLite, the database file.
    folder: TempDir,
    kind: Kind,
}

enum Kind {
    /// A SQLite file, removed with its folder.
    File,
    /// A database on a server; `admin` is the URL of an account that may drop it.
    Server { admin: String, name: String },
}

/// True if the tests run on SQLite. Some tests concern only its files and its single writer; they do not apply to a
/// database server.
pub(crate) fn is_sqlite() -> bool {
    server().is_none()
}

/// True if the tests run on a database server of this kind.
pub(crate) fn server_is(kind: &str) -> bool {
    server().is_some_and(|url| url.starts_with(kind))
}

fn server() -> Option<String> {
    std::env::var_os("PARTYLINE_TEST_DATABASE_URL").and_then(|url| url.into_string().ok()).filter(|url| !url.is_empty())
}

impl TestDatabase {
    /// Creates a database with all tables on the server that PARTYLINE_TEST_DATABASE_URL names, or a SQLite file without
    /// it. It is a copy: the migrations, which `migrations.rs` runs one by one, take most of the time of a short test.
    pub(crate) async fn create() -> Self {
        static TEMPLATE: OnceCell<Template> = OnceCell::const_new();
        TEMPLATE.get_or_init(|| Box::pin(Template::create())).await.copy().await
    }

    /// Creates a database without tables.
    pub(crate) async fn create_empty() -> Self {
        match server() {
            None => Self::file(),
            Some(admin) => Self::on_server(admin, "").await,
        }
    }

    async fn on_server(admin: String, options: &str) -> Self {
        let name = format!("partyline_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        statement(&admin, &format!("CREATE DATABASE {name} {options}")).await;
        let mut url = Url::parse(&admin).expect("PARTYLINE_TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        Self { url: url.into(), folder: folder(), kind: Kind::Server { admin, name } }
    }

    fn file() -> Self {
        let folder = folder();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("p.db").display());
        Self { url, folder, kind: Kind::File }
    }

    /// The SQLite file; `None` on a database server.
    pub(crate) fn file_path(&self) -> Option<PathBuf> {
        matches!(self.kind, Kind::File).then(|| self.folder.path().join("p.db"))
    }

    /// The folder for recordings.
    pub(crate) fn media(&self) -> String {
        self.folder.path().join("media").display().to_string()
    }

    /// Drops a database server's database while it is in use.
    pub(crate) async fn drop_while_in_use(&self) {
        if let Kind::Server { admin, name } = &self.kind {
            drop_database(admin, name).await;
        }
    }
}

/// What the databases of this process are copied from.
enum Template {
    /// The content of a SQLite file.
    File(Vec<u8>),
    /// A database on PostgreSQL, which copies its files. It is left behind on the server.
    Postgres { admin: String, name: String },
    /// Statements that create the tables on MariaDB, without one `ALTER TABLE` after the other.
    MariaDb { admin: String, statements: String },
}

impl Template {
    async fn create() -> Self {
        let database = TestDatabase::create_empty().await;
        migrate_up(&super::settings(&database.url)).await.expect("the migrations succeed");
        // All connections are closed, so a file contains everything, and PostgreSQL may copy a database.
        match &database.kind {
            Kind::File => {
                let path = database.file_path().expect("a file");
                Self::File(std::fs::read(path).expect("the file is readable"))
            }
            Kind::Server { admin, name } if admin.starts_with("postgres") => {
                let template = Self::Postgres { admin: admin.clone(), name: name.clone() };
                std::mem::forget(database);
                template
            }
            Kind::Server { admin, .. } => {
                Self::MariaDb { admin: admin.clone(), statements: statements(&database.url).await }
            }
        }
    }

    async fn copy(&self) -> TestDatabase {
        match self {
            Self::File(content) => {
                let database = TestDatabase::file();
                let path = database.file_path().expect("a file");
                std::fs::write(path, content).expect("the folder is writable");
                database
            }
            Self::Postgres { admin, name } => TestDatabase::on_server(admin.clone(), &format!("TEMPLATE {name}")).await,
            Self::MariaDb { admin, statements } => {
                let database = TestDatabase::on_server(admin.clone(), "").await;
                statement(&database.url, statements).await;
                database
            }
        }
    }
}

/// The statements that create the tables of a MariaDB database and record its migrations.
async fn statements(url: &str) -> String {
    let conn = sea_orm::Database::connect(url).await.expect("the test server answers");
    let texts = async |sql: String, column: usize| -> Vec<String> {
        let rows =
            conn.query_all_raw(Statement::from_string(DbBackend::MySql, sql)).await.expect("the rows are readable");
        rows.iter().map(|row| row.try_get_by_index(column).expect("a text")).collect()
    };
    // The tables refer to each other in any order.
    let mut all = vec!["SET foreign_key_checks = 0".to_owned()];
    for table in texts("SHOW TABLES".to_owned(), 0).await {
        all.extend(texts(format!("SHOW CREATE TABLE `{table}`"), 1).await);
    }
    for version in texts("SELECT version FROM seaql_migrations".to_owned(), 0).await {
        all.push(format!("INSERT INTO seaql_migrations VALUES ('{version}', 0)"));
    }
    conn.close().await.expect("the connection closes");
    all.join(";\n")
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// Pools of the test may still hold connections with open transactions, because the test's runtime waits for this
/// function. MariaDB would wait for their locks indefinitely, so they are killed first; PostgreSQL does it itself.
async fn drop_database(admin: &str, name: &str) {
    if admin.starts_with("postgres") {
        return statement(admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    }
    let conn = sea_orm::Database::connect(admin).await.expect("the test server answers");
    let connections = format!("SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = '{name}'");
    let rows = conn.query_all_raw(Statement::from_string(DbBackend::MySql, connections)).await;
    for row in rows.expect("the account may list connections") {
        let id: i64 = row.try_get_by_index(0).expect("the connection has an id");
        // The connection may have ended in the meantime.
        let _ = conn.execute_unprepared(&format!("KILL {id}")).await;
    }
    conn.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await.expect("the account may drop databases");
    conn.close().await.expect("the connection closes");
}

async fn statement(url: &str, sql: &str) {
    let conn = sea_orm::Database::connect(url).await.expect("the test server answers");
    conn.execute_unprepared(sql).await.expect("the account may create and drop databases");
    conn.close().await.expect("the connection closes");
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Kind::Server { admin, name } = &self.kind else { return };
        let (admin, name) = (admin.clone(), name.clone());
        // A runtime cannot be blocked on from within itself.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(drop_database(&admin, &name));
        });
        // A second panic during unwinding would abort the process and hide the test's failure.
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test's database could not be dropped");
        }
    }
}
