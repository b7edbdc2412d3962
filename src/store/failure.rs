//! What a database error means for the work at hand, and what may be said of it in a log.

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

/// How far a failed statement reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It refused one value: unique, check, foreign key, a text that cannot be stored. What came
    /// before it in the transaction still stands.
    Item,
    /// The whole transaction lost a race and can be run again.
    Retry,
    /// Nothing can be said of the transaction but that it must end here: disk full, I/O, a lost
    /// connection. SQLite and InnoDB have by then rolled everything back themselves.
    Batch,
}

/// Reads an error's reach.
pub fn reach(error: &DbErr) -> Reach {
    let Some(error) = database_error(error) else { return Reach::Batch };
    if error.try_downcast_ref::<SqliteError>().is_some() {
        return match sqlite_code(error) {
            18..=20 => Reach::Item, // TOOBIG, CONSTRAINT, MISMATCH
            _ => Reach::Batch,
        };
    }
    let state = error.code().unwrap_or_default();
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    if state.starts_with("40") || number == Some(1205) {
        Reach::Retry // serialisation failure, deadlock, lock wait timeout
    } else if state.starts_with("22")
        || state.starts_with("23")
        || error.kind() != ErrorKind::Other
        || number == Some(1366)
    {
        Reach::Item // data exception, integrity constraint, incorrect string value
    } else {
        Reach::Batch
    }
}

/// Whether the database cannot take any work at the moment: it restarts, cannot be reached, has no connection left, is a
/// read-only standby, or its disk is full or not writable. The same work may succeed moments later on a new connection.
/// A transaction whose COMMIT failed so may be committed nevertheless.
///
/// Sources: sqlite.org/rescode.html; the appendix "PostgreSQL Error Codes"; the MariaDB error code reference.
pub fn is_away(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) {
        return true;
    }
    let Some(error) = driver_error(error) else { return false };
    let Some(error) = error.as_database_error() else {
        // A connection that is cut is an I/O error, or a conversation that does not go on as it should.
        return matches!(
            error,
            SqlxError::Io(_)
                | SqlxError::Tls(_)
                | SqlxError::PoolTimedOut
                | SqlxError::Protocol(_)
                | SqlxError::BeginFailed
                | SqlxError::WorkerCrashed
        );
    };
    if error.try_downcast_ref::<SqliteError>().is_some() {
        // BUSY, READONLY, IOERR, FULL, CANTOPEN
        return matches!(sqlite_code(error), 5 | 8 | 10 | 13 | 14);
    }
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    // Disk full, table full, too many connections of a user, read-only server (two codes), connection killed.
    if matches!(number, Some(1021 | 1114 | 1203 | 1290 | 1836 | 1927)) {
        return true;
    }
    let state = error.code().unwrap_or_default();
    // Connection exceptions (MariaDB's shutdown and "too many connections" among them), insufficient resources.
    state.starts_with("08")
        || state.starts_with("53")
        // Read-only transaction; shutdown by an administrator, after a crash; not accepting connections; I/O error.
        || matches!(&*state, "25006" | "57P01" | "57P02" | "57P03" | "58030")
}

/// An error in words that are safe to log: its kind, code and constraint. The database's own
/// message may quote the refused value, which is a client's text or number.
pub fn describe(error: &DbErr) -> String {
    if let Some(error) = database_error(error) {
        let code = error.code().unwrap_or_default();
        let place = error.constraint().or_else(|| error.table()).unwrap_or("-");
        let system = if error.try_downcast_ref::<PgDatabaseError>().is_some() {
            "PostgreSQL"
        } else if error.try_downcast_ref::<SqliteError>().is_some() {
            "SQLite"
        } else {
            "MariaDB"
        };
        return format!("{system} error {code} ({:?}) at {place}", error.kind());
    }
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => match &**error {
            SqlxError::Io(error) => format!("I/O error of the database connection: {:?}", error.kind()),
            SqlxError::PoolTimedOut => "no database connection came free in time".to_owned(),
            SqlxError::PoolClosed => "the database connections are closed".to_owned(),
            SqlxError::Protocol(_) => "protocol error of the database connection".to_owned(),
            SqlxError::BeginFailed => "no transaction could be begun on the database connection".to_owned(),
            SqlxError::Tls(_) => "TLS error of the database connection".to_owned(),
            SqlxError::ColumnDecode { index, .. } => format!("column {index} holds an unknown value"),
            _ => "error of the database driver".to_owned(),
        },
        DbErr::ConnectionAcquire(_) => "no database connection came free in time".to_owned(),
        DbErr::Type(what) => format!("a stored value is of no known type: {what}"),
        _ => "error of the database layer".to_owned(),
    }
}

fn driver_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn database_error(error: &DbErr) -> Option<&dyn DatabaseError> {
    driver_error(error)?.as_database_error()
}

/// SQLite's primary result code: an extended one holds it in the lowest byte (sqlite.org/rescode.html).
fn sqlite_code(error: &dyn DatabaseError) -> u32 {
    error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0) & 0xff
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;
    use std::io;

    use super::*;

    /// A server's error of which only the SQLSTATE is known.
    #[derive(Debug)]
    struct State(&'static str);

    impl fmt::Display for State {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for State {}

    impl DatabaseError for State {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn of(error: SqlxError) -> DbErr {
        DbErr::Query(RuntimeErr::SqlxError(error.into()))
    }

    #[test]
    fn a_database_is_away_when_it_may_take_the_same_work_moments_later() {
        for state in ["08006", "08S01", "08004", "25006", "53100", "53300", "57P01", "57P02", "57P03", "58030"] {
            assert!(is_away(&of(SqlxError::Database(Box::new(State(state))))), "{state}");
        }
        // No such database, no such table, a statement that took too long, a full value, a constraint, a deadlock.
        for state in ["3D000", "42P01", "57014", "22001", "23505", "40P01"] {
            assert!(!is_away(&of(SqlxError::Database(Box::new(State(state))))), "{state}");
        }
        assert!(is_away(&of(SqlxError::Io(io::ErrorKind::UnexpectedEof.into()))));
        assert!(is_away(&of(SqlxError::PoolTimedOut)));
        assert!(is_away(&of(SqlxError::Protocol("an unexpected message".to_owned()))));
        assert!(is_away(&of(SqlxError::BeginFailed)));
        assert!(is_away(&DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)));
        // Our own pool has been closed: it does not come back.
        assert!(!is_away(&DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)));
        assert!(!is_away(&of(SqlxError::RowNotFound)));
        assert!(!is_away(&DbErr::Custom("anything else".to_owned())));
    }
}
