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
    match error.sqlite_error() {
        Some(failure) => {
            let failure = SqliteFailure { code: failure.extended_code };
            DbErr::Query(RuntimeErr::SqlxError(SqlxError::Database(Box::new(failure)).into()))
        }
        // An error of the program. Its text may quote a value.
        None => DbErr::Type("a statement was used wrongly".to_owned()),
    }
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
