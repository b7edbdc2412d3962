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
    /// Creates a database on the server that PARTYLINE_TEST_DATABASE_URL names, or a SQLite file without it.
    pub(crate) async fn create() -> Self {
        let Some(admin) = server() else { return Self::file() };
        let name = format!("partyline_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        statement(&admin, &format!("CREATE DATABASE {name}")).await;
        let mut url = Url::parse(&admin).expect("PARTYLINE_TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        Self { url: url.into(), folder: folder(), kind: Kind::Server { admin, name } }
    }

    /// Creates a SQLite file regardless of the environment.
    pub(crate) fn file() -> Self {
        let folder = folder();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("p.db").display());
        Self { url, folder, kind: Kind::File }
    }

    /// The SQLite file; `None` on a database server.
    pub(crate) fn file_path(&self) -> Option<PathBuf> {
        matches!(self.kind, Kind::File).then(|| self.folder.path().join("p.db"))
    }

    /// Copies a migrated file to a SQLite database that does not exist yet: the migrations take most of the time of a
    /// short test. `migrations.rs` runs them one by one.
    pub(crate) async fn prepare(&self) {
        static MIGRATED: OnceCell<Vec<u8>> = OnceCell::const_new();
        let Some(path) = self.file_path().filter(|path| !path.exists()) else { return };
        let migrated = MIGRATED.get_or_init(async || {
            let template = Self::file();
            migrate_up(&super::settings(&template.url)).await.expect("the migrations succeed");
            // All connections are closed, so the file contains everything.
            std::fs::read(template.file_path().expect("a file")).expect("the file is readable")
        });
        std::fs::write(path, migrated.await).expect("the folder is writable");
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
