//! Classifies database errors and describes them for logs.

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

use super::direct_sqlite::SqliteFailure;

/// How an error of one statement affects the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The database rejected a value (a unique, check or foreign key violation, or text that cannot be stored), or the
    /// program could not read a stored value. Earlier statements of the transaction are unaffected.
    Rejected,
    /// The transaction conflicted with another one and can be retried.
    Conflict,
    /// The transaction must be abandoned: disk full, I/O error, lost connection. SQLite and InnoDB may already have
    /// rolled it back.
    Fatal,
}

pub fn classify(error: &DbErr) -> ErrorClass {
    let Some(error) = database_error(error) else {
        return if is_of_program(error) { ErrorClass::Rejected } else { ErrorClass::Fatal };
    };
    if is_of_sqlite(error) {
        return match sqlite_code(error) {
            18..=20 => ErrorClass::Rejected, // TOOBIG, CONSTRAINT, MISMATCH
            _ => ErrorClass::Fatal,
        };
    }
    let state = error.code().unwrap_or_default();
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    if state.starts_with("40") || number == Some(1205) {
        ErrorClass::Conflict // serialization failure, deadlock, lock wait timeout
    } else if state.starts_with("22")
        || state.starts_with("23")
        || error.kind() != ErrorKind::Other
        || number == Some(1366)
    {
        ErrorClass::Rejected // data exception, integrity constraint, incorrect string value
    } else {
        ErrorClass::Fatal
    }
}

/// Whether the database is temporarily unavailable: it is restarting, unreachable, out of connections, a read-only
/// standby, or its disk is full or not writable. The same work may succeed shortly afterwards on a new connection. If
/// COMMIT failed with such an error, the transaction may have been committed nevertheless.
///
/// Sources: sqlite.org/rescode.html; the appendix "PostgreSQL Error Codes"; the MariaDB error code reference.
pub fn is_unavailable(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) {
        return true;
    }
    let Some(error) = driver_error(error) else { return false };
    let Some(error) = error.as_database_error() else {
        // A broken connection appears as an I/O error or as a protocol error.
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
    if is_of_sqlite(error) {
        // BUSY, READONLY, IOERR, FULL, CANTOPEN
        return matches!(sqlite_code(error), 5 | 8 | 10 | 13 | 14);
    }
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    // Disk full, table full, too many connections for a user, read-only server (two codes), connection killed.
    if matches!(number, Some(1021 | 1114 | 1203 | 1290 | 1836 | 1927)) {
        return true;
    }
    let state = error.code().unwrap_or_default();
    // Connection exceptions (including MariaDB's shutdown and "too many connections"), insufficient resources.
    state.starts_with("08")
        || state.starts_with("53")
        // Read-only transaction; shutdown by an administrator or after a crash; not accepting connections; I/O error.
        || matches!(&*state, "25006" | "57P01" | "57P02" | "57P03" | "58030")
}

/// A description that is safe to log: the error's kind, code and constraint. The database's own message may quote the
/// rejected value, such as a contact's message or phone number.
pub fn describe(error: &DbErr) -> String {
    if let Some(error) = database_error(error) {
        let code = error.code().unwrap_or_default();
        let place = error.constraint().or_else(|| error.table()).unwrap_or("-");
        let system = if error.try_downcast_ref::<PgDatabaseError>().is_some() {
            "PostgreSQL"
        } else if is_of_sqlite(error) {
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
            SqlxError::PoolTimedOut => "timed out waiting for a free database connection".to_owned(),
            SqlxError::PoolClosed => "the database connections are closed".to_owned(),
            SqlxError::Protocol(_) => "protocol error of the database connection".to_owned(),
            SqlxError::BeginFailed => "could not begin a transaction on the database connection".to_owned(),
            SqlxError::Tls(_) => "TLS error of the database connection".to_owned(),
            SqlxError::ColumnDecode { index, .. } => format!("column {index} contains an unknown value"),
            _ => "error of the database driver".to_owned(),
        },
        DbErr::ConnectionAcquire(_) => "timed out waiting for a free database connection".to_owned(),
        DbErr::Type(message) => format!("a stored value has an unexpected type: {message}"),
        _ => "error of the database layer".to_owned(),
    }
}

/// Whether the program raised the error after the database had answered: the connection is in order.
fn is_of_program(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(error) => matches!(
            error,
            SqlxError::RowNotFound
                | SqlxError::TypeNotFound { .. }
                | SqlxError::ColumnIndexOutOfBounds { .. }
                | SqlxError::ColumnNotFound(_)
                | SqlxError::ColumnDecode { .. }
                | SqlxError::Encode(_)
                | SqlxError::Decode(_)
        ),
        None => matches!(
            error,
            DbErr::TryIntoErr { .. }
                | DbErr::ConvertFromU64(_)
                | DbErr::RecordNotFound(_)
                | DbErr::AttrNotSet(_)
                | DbErr::Custom(_)
                | DbErr::Type(_)
                | DbErr::Json(_)
                | DbErr::RecordNotInserted
                | DbErr::RecordNotUpdated
        ),
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

fn is_of_sqlite(error: &dyn DatabaseError) -> bool {
    error.try_downcast_ref::<SqliteError>().is_some() || error.try_downcast_ref::<SqliteFailure>().is_some()
}

/// SQLite's primary result code: the lowest byte of an extended code (sqlite.org/rescode.html).
fn sqlite_code(error: &dyn DatabaseError) -> u32 {
    error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0) & 0xff
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;
    use std::io;

    use super::*;

    /// A database error with a SQLSTATE only.
    #[derive(Debug)]
    struct SqlState(&'static str);

    impl fmt::Display for SqlState {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for SqlState {}

    impl DatabaseError for SqlState {
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

    fn query_error(error: SqlxError) -> DbErr {
        DbErr::Query(RuntimeErr::SqlxError(error.into()))
    }

    #[test]
    fn a_database_is_unavailable_if_the_same_work_may_succeed_later() {
        for state in ["08006", "08S01", "08004", "25006", "53100", "53300", "57P01", "57P02", "57P03", "58030"] {
            assert!(is_unavailable(&query_error(SqlxError::Database(Box::new(SqlState(state))))), "{state}");
        }
        // Unknown database, unknown table, statement timeout, value too long, unique violation, deadlock.
        for state in ["3D000", "42P01", "57014", "22001", "23505", "40P01"] {
            assert!(!is_unavailable(&query_error(SqlxError::Database(Box::new(SqlState(state))))), "{state}");
        }
        assert!(is_unavailable(&query_error(SqlxError::Io(io::ErrorKind::UnexpectedEof.into()))));
        assert!(is_unavailable(&query_error(SqlxError::PoolTimedOut)));
        assert!(is_unavailable(&query_error(SqlxError::Protocol("an unexpected message".to_owned()))));
        assert!(is_unavailable(&query_error(SqlxError::BeginFailed)));
        assert!(is_unavailable(&DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)));
        // Partyline closed the pool itself, so a retry cannot succeed.
        assert!(!is_unavailable(&DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)));
        assert!(!is_unavailable(&query_error(SqlxError::RowNotFound)));
        assert!(!is_unavailable(&DbErr::Custom("anything else".to_owned())));
    }
}
