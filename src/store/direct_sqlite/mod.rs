//! A connection to a SQLite file that runs each statement on the thread that asks for it.
//!
//! The driver of the other connections has a thread for each of them. A statement changes threads twice, which takes
//! longer than the statement itself. Only the writer's lane uses this connection: it has a thread of its own, which may
//! block.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params_from_iter};
use sea_orm::{DbErr, Statement};

use super::statements::{Kind, Row};
use error::to_db_err;
use values::{Bound, read};

mod error;
mod values;

pub(super) use error::{SqliteFailure, beyond, is_beyond};

/// How many prepared statements are kept.
const PREPARED_STATEMENTS: usize = 512;

/// A setting of a connection: its name and value.
pub(super) type Pragma = (&'static str, String);

pub(super) struct DirectSqlite {
    /// Never contended: only the lane's thread uses the connection.
    conn: Mutex<Connection>,
}

impl DirectSqlite {
    /// Opens an existing file.
    pub(super) fn open(file: &Path, busy_timeout: Duration, pragmas: &[Pragma]) -> Result<Self, DbErr> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let conn = Connection::open_with_flags(file, flags)?;
            conn.busy_timeout(busy_timeout)?;
            conn.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
            for (name, value) in pragmas {
                conn.pragma_update(None, name, value)?;
            }
            Ok(conn)
        };
        open().map(|conn| Self { conn: Mutex::new(conn) }).map_err(to_db_err)
    }

    /// Runs a statement without parameters, such as BEGIN.
    pub(super) fn command(&self, sql: &str) -> Result<(), DbErr> {
        self.lock().prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).map_err(to_db_err)
    }

    /// Runs a statement that returns no rows. Returns how many rows it changed.
    pub(super) fn run(&self, Statement { sql, values, .. }: &Statement) -> Result<u64, DbErr> {
        let values = values.iter().flat_map(|values| &values.0).map(Bound);
        let conn = self.lock();
        let run = |mut statement: rusqlite::CachedStatement<'_>| statement.execute(params_from_iter(values));
        conn.prepare_cached(sql).and_then(run).map(|changed| changed as u64).map_err(to_db_err)
    }

    /// The rows of a query whose cells have these kinds.
    pub(super) fn rows(&self, Statement { sql, values, .. }: &Statement, kinds: &[Kind]) -> Result<Vec<Row>, DbErr> {
        let values = values.iter().flat_map(|values| &values.0).map(Bound);
        let conn = self.lock();
        let mut statement = conn.prepare_cached(sql).map_err(to_db_err)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(to_db_err)?;
        let mut read_rows = Vec::new();
        while let Some(row) = rows.next().map_err(to_db_err)? {
            read_rows.push(read(row, kinds)?);
        }
        Ok(read_rows)
    }

    /// A panic while the lock was held leaves nothing half done but the transaction, which is rolled back.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DirectSqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectSqlite")
    }
}

#[cfg(test)]
mod tests;
