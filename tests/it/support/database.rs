//! A database of its own for each test, gone when the test ends.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tempfile::TempDir;
use url::Url;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// Where a test's data are.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    /// What the server keeps beside its database, and on SQLite the database itself.
    folder: TempDir,
    kind: Kind,
}

enum Kind {
    /// Removed with its folder.
    File,
    /// On a server, together with the address of an account that may drop it.
    Server { admin: String, name: String },
}

/// Whether the tests run on SQLite. Some are about its files and its one writer and say nothing
/// about a server, which has its own run of everything else.
pub(crate) fn is_sqlite() -> bool {
    server().is_none()
}

/// Whether the tests run on a server of this kind.
pub(crate) fn server_is(kind: &str) -> bool {
    server().is_some_and(|url| url.starts_with(kind))
}

fn server() -> Option<String> {
    std::env::var_os("PARTYLINE_TEST_DATABASE_URL").and_then(|url| url.into_string().ok()).filter(|url| !url.is_empty())
}

impl TestDatabase {
    /// A new one, on the server that the environment names or else in a file.
    pub(crate) async fn create() -> Self {
        let Some(admin) = server() else { return Self::file() };
        let name = format!("partyline_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        statement(&admin, &format!("CREATE DATABASE {name}")).await;
        let mut url = Url::parse(&admin).expect("PARTYLINE_TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        Self { url: url.into(), folder: folder(), kind: Kind::Server { admin, name } }
    }

    /// A new SQLite file, whatever the environment says.
    pub(crate) fn file() -> Self {
        let folder = folder();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("p.db").display());
        Self { url, folder, kind: Kind::File }
    }

    /// The file, on SQLite.
    pub(crate) fn file_path(&self) -> Option<PathBuf> {
        matches!(self.kind, Kind::File).then(|| self.folder.path().join("p.db"))
    }

    /// The folder of recordings.
    pub(crate) fn media(&self) -> String {
        self.folder.path().join("media").display().to_string()
    }

    /// Drops a server's database while it is in use.
    pub(crate) async fn take_away(&self) {
        if let Kind::Server { admin, name } = &self.kind {
            drop_database(admin, name).await;
        }
    }
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// The server may still hold connections of a test's pools, with transactions that nobody goes on
/// with: the test's runtime waits for this. They are ended first, or MariaDB would wait for their
/// locks for ever; PostgreSQL does it by itself.
async fn drop_database(admin: &str, name: &str) {
    if admin.starts_with("postgres") {
        return statement(admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    }
    let conn = sea_orm::Database::connect(admin).await.expect("the test server answers");
    let theirs = format!("SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = '{name}'");
    let rows = conn.query_all_raw(Statement::from_string(DbBackend::MySql, theirs)).await;
    for row in rows.expect("the account may see who is connected") {
        let id: i64 = row.try_get_by_index(0).expect("the connection has an id");
        // It may have ended meanwhile.
        let _ = conn.execute_unprepared(&format!("KILL {id}")).await;
    }
    conn.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await.expect("the account may drop databases");
    conn.close().await.expect("the connection closes");
}

async fn statement(url: &str, sql: &str) {
    let conn = sea_orm::Database::connect(url).await.expect("the test server answers");
    conn.execute_unprepared(sql).await.expect("the account may make and drop databases");
    conn.close().await.expect("the connection closes");
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Kind::Server { admin, name } = &self.kind else { return };
        let (admin, name) = (admin.clone(), name.clone());
        // A test's own runtime cannot be waited for from within itself.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(drop_database(&admin, &name));
        });
        // While a test fails, a second failure would hide the first.
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test's database could not be dropped");
        }
    }
}
