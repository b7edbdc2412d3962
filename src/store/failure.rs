//! What a database error means for the work at hand, and what may be said of it in a log.

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};

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
        // An extended result code holds its primary code in the lowest byte (sqlite.org/rescode.html).
        let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0) & 0xff;
        return match code {
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
            SqlxError::Tls(_) => "TLS error of the database connection".to_owned(),
            SqlxError::ColumnDecode { index, .. } => format!("column {index} holds an unknown value"),
            _ => "error of the database driver".to_owned(),
        },
        DbErr::ConnectionAcquire(_) => "no database connection came free in time".to_owned(),
        DbErr::Type(what) => format!("a stored value is of no known type: {what}"),
        _ => "error of the database layer".to_owned(),
    }
}

fn database_error(error: &DbErr) -> Option<&dyn DatabaseError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => error.as_database_error(),
        _ => None,
    }
}
