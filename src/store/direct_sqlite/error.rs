//! Errors of SQLite in the form in which the other connections report them.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use rusqlite::{Error, ffi};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::{DbErr, RuntimeErr};

/// SQLite's own error, without its message, which may quote a value.
#[derive(Debug)]
pub(in crate::store) struct SqliteFailure {
    /// The extended result code (sqlite.org/rescode.html).
    code: i32,
}

pub(super) fn to_db_err(error: Error) -> DbErr {
    let code = match error {
        Error::SqliteFailure(failure, _) | Error::SqlInputError { error: failure, .. } => failure.extended_code,
        // A value or a statement that this connection is not made for.
        _ => return beyond(),
    };
    DbErr::Query(RuntimeErr::SqlxError(SqlxError::Database(Box::new(SqliteFailure { code })).into()))
}

const DIRECT: &str = "the writer's own connection to SQLite";

/// The error of what only SeaORM's connections can do.
pub(in crate::store) fn beyond() -> DbErr {
    DbErr::BackendNotSupported { db: DIRECT, ctx: "this query or value" }
}

/// Whether a statement failed only because it needs one of SeaORM's connections.
pub(in crate::store) fn is_beyond(error: &DbErr) -> bool {
    matches!(error, DbErr::BackendNotSupported { db: DIRECT, .. })
}

impl fmt::Display for SqliteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ffi::code_to_str(self.code))
    }
}

impl StdError for SqliteFailure {}

impl DatabaseError for SqliteFailure {
    fn message(&self) -> &str {
        ffi::code_to_str(self.code)
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => ErrorKind::UniqueViolation,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }
}
