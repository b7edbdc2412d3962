//! SQLite files outside the server: the copy for a backup, and the preparation of a restored file.

use std::path::Path;
use std::time::Duration;

use migration::{Migrator, MigratorTrait as _};
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, params};
use uuid::Uuid;

use crate::domain::AgencyId;
use crate::entity::restore_mark;

/// How long a statement waits for a lock of the server.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The database is copied in steps of 4 MiB with pauses, so that the server's commits do not queue for the disk behind
/// the whole copy.
const STEP_PAGES: i32 = 1024;
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// The message names a kind of failure, and never contains stored values.
#[derive(Debug, thiserror::Error)]
#[error("SQLite: {0}")]
pub struct SqliteFileError(#[from] rusqlite::Error);

type Result<T> = std::result::Result<T, SqliteFileError>;

/// The names of all migrations of this version.
pub fn known_migrations() -> Vec<String> {
    Migrator::get_migration_files().iter().map(|migration| migration.name().to_owned()).collect()
}

/// An open read transaction: everything that was committed before it began, and nothing else.
///
/// The server goes on writing. Its write-ahead log grows until the transaction ends, because the pages of the snapshot
/// stay in the file.
pub struct SqliteSnapshot {
    conn: Connection,
}

/// The numbers of rows in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotCounts {
    pub agencies: u64,
    pub messages: u64,
}

impl SqliteSnapshot {
    /// Begins a snapshot of an existing file.
    pub fn begin(file: &Path) -> Result<Self> {
        let conn = open(file)?;
        conn.pragma_update(None, "query_only", "ON")?;
        conn.execute_batch("BEGIN")?;
        // A transaction takes its snapshot with the first read.
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Self { conn })
    }

    /// Copies the snapshot to a new file with SQLite's online backup. It reads in the open transaction; without one it
    /// would begin anew after each commit of the server, and never end under load.
    pub fn copy_to(&self, file: &Path) -> Result<()> {
        let mut copy = Connection::open(file)?;
        // The caller syncs the backup. A copy that was not completed is useless.
        copy.pragma_update(None, "journal_mode", "OFF")?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        Backup::new(&self.conn, &mut copy)?.run_to_completion(STEP_PAGES, STEP_PAUSE, None)?;
        Ok(copy.close().map_err(|(_, error)| error)?)
    }

    /// The name of the newest applied migration; `None` if the file is not a database of Partyline's.
    pub fn newest_migration(&self) -> Result<Option<String>> {
        if !has_table(&self.conn, "seaql_migrations")? {
            return Ok(None);
        }
        Ok(self.conn.query_row("SELECT max(version) FROM seaql_migrations", [], |row| row.get(0))?)
    }

    pub fn counts(&self) -> Result<SnapshotCounts> {
        let count = |sql| self.conn.query_row(sql, [], |row| row.get(0).map(i64::unsigned_abs));
        Ok(SnapshotCounts {
            agencies: count("SELECT count(*) FROM agency")?,
            messages: count("SELECT count(*) FROM message")?,
        })
    }

    /// The files of the media folder that the rows of all agencies name: the agency and the digest of each.
    pub fn media_files(&self) -> Result<Vec<(AgencyId, String)>> {
        let mut query = self.conn.prepare(
            "SELECT agency_id, digest FROM media WHERE state = 'READY' AND digest IS NOT NULL \
             UNION SELECT agency_id, digest FROM voicemail WHERE state = 'READY' AND digest IS NOT NULL \
             UNION SELECT agency_id, digest FROM upload ORDER BY 1, 2",
        )?;
        let files = query.query_map([], |row| Ok((AgencyId(Uuid::from_bytes(row.get(0)?)), row.get(1)?)))?;
        Ok(files.collect::<rusqlite::Result<_>>()?)
    }
}

/// What a file contains that a restore would replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// No file, or one without tables.
    Nothing,
    Tables {
        /// The identity in the restore mark.
        identity: Option<String>,
    },
}

/// Reads what a file contains. A file that is not a readable database counts as one with tables.
pub fn content(file: &Path) -> Content {
    if !file.exists() {
        return Content::Nothing;
    }
    let read = || -> Result<Content> {
        let conn = open(file)?;
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(Content::Nothing);
        }
        if !has_table(&conn, "restore_mark")? {
            return Ok(Content::Tables { identity: None });
        }
        let mut query = conn.prepare("SELECT identity FROM restore_mark")?;
        let identity = query.query_map([], |row| row.get(0))?.next().transpose()?;
        Ok(Content::Tables { identity })
    };
    read().unwrap_or(Content::Tables { identity: None })
}

/// Moves the whole write-ahead log into the file. Returns false if that is not possible.
pub fn move_log(file: &Path) -> bool {
    let moved = || -> Result<bool> {
        let conn = open(file)?;
        let is_busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(conn.close().is_ok() && !is_busy)
    };
    moved().unwrap_or(false)
}

/// Prepares the file of a backup before it becomes the database, in one transaction: marks it with this identity, so
/// that a server sends nothing before the restore is complete, and starts a new epoch of each agency's log, which
/// invalidates the cursors of all clients. Returns false if the file is damaged.
pub fn prepare_restored(file: &Path, identity: &str, mut new_epoch: impl FnMut() -> Uuid) -> Result<bool> {
    let mut conn = open(file)?;
    let checked: rusqlite::Result<String> = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    if !checked.is_ok_and(|result| result == "ok") {
        return Ok(false);
    }
    let tx = conn.transaction()?;
    tx.execute(
        "INSERT INTO restore_mark (id, restores, identity) VALUES (?1, 0, ?2) \
         ON CONFLICT (id) DO UPDATE SET identity = excluded.identity",
        params![restore_mark::ID, identity],
    )?;
    let agencies = {
        let mut query = tx.prepare("SELECT agency_id FROM agency_position")?;
        query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<[u8; 16]>>>()?
    };
    for agency in agencies {
        let epoch = new_epoch();
        tx.execute("UPDATE agency_position SET epoch = ?1 WHERE agency_id = ?2", params![epoch.as_bytes(), agency])?;
    }
    tx.commit()?;
    Ok(conn.close().map_err(|(_, error)| error).map(|()| true)?)
}

/// Opens an existing file. Also a reader may write, because the log of a server that was killed has to be recovered.
fn open(file: &Path) -> Result<Connection> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    Ok(conn)
}

fn has_table(conn: &Connection, name: &str) -> Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    Ok(conn.query_row(sql, [name], |row| row.get::<_, i64>(0))? > 0)
}
