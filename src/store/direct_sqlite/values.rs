//! Converts values between SeaORM and SQLite, as the driver of the other connections stores them.

use std::error::Error;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sea_orm::sea_query::OptionEnum;
use sea_orm::{DbErr, Value};
use uuid::Uuid;

use super::error::{beyond, to_db_err};
use crate::store::statements::{Kind, Row};

/// A parameter of a statement.
pub(super) struct Bound<'a>(pub(super) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let integer = |value: Option<i64>| value.map_or(ValueRef::Null, ValueRef::Integer);
        let unknown =
            |what: &'static str| rusqlite::Error::ToSqlConversionFailure(Box::<dyn Error + Send + Sync>::from(what));
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Bool(value) => integer(value.map(i64::from)),
            Value::Int(value) => integer(value.map(i64::from)),
            Value::BigInt(value) => integer(*value),
            Value::BigUnsigned(value) => match value.map(i64::try_from).transpose() {
                Ok(value) => integer(value),
                Err(_) => return Err(unknown("the number is too large")),
            },
            Value::String(value) => value.as_ref().map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Value::Uuid(value) => value.as_ref().map_or(ValueRef::Null, |id| ValueRef::Blob(id.as_bytes())),
            Value::Enum(OptionEnum::Some(value)) => ValueRef::Text(value.value.as_bytes()),
            Value::Enum(OptionEnum::None(_)) => ValueRef::Null,
            Value::ChronoDateTimeUtc(value) => {
                let value = value.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, false));
                return Ok(ToSqlOutput::Owned(value.into()));
            }
            _ => return Err(unknown("no column has a value of this type")),
        }))
    }
}

/// Reads the cells of a row.
pub(super) fn read(row: &rusqlite::Row<'_>, kinds: &[Kind]) -> Result<Row, DbErr> {
    let cells = kinds.iter().enumerate().map(|(index, kind)| {
        let stored = row.get_ref(index).map_err(to_db_err)?;
        // Another program may have stored a form that the other driver can read.
        cell(stored, *kind).ok_or_else(beyond)
    });
    cells.collect::<Result<_, _>>().map(Row::new)
}

/// `None` if the stored value is of another type.
fn cell(stored: ValueRef<'_>, kind: Kind) -> Option<Value> {
    let is_null = matches!(stored, ValueRef::Null);
    let integer = || if is_null { Some(None) } else { stored.as_i64().ok().map(Some) };
    let text = || if is_null { Some(None) } else { stored.as_str().ok().map(Some) };
    Some(match kind {
        Kind::Bool => Value::Bool(integer()?.map(|value| value != 0)),
        Kind::Int => Value::Int(integer()?.map(i32::try_from).transpose().ok()?),
        Kind::BigInt => Value::BigInt(integer()?),
        Kind::Text => Value::String(text()?.map(str::to_owned)),
        Kind::Time => {
            let at = text()?.map(DateTime::parse_from_rfc3339).transpose().ok()?;
            Value::ChronoDateTimeUtc(at.map(|at| at.with_timezone(&Utc)))
        }
        Kind::Uuid if is_null => Value::Uuid(None),
        Kind::Uuid => Value::Uuid(Some(Uuid::from_slice(stored.as_blob().ok()?).ok()?)),
    })
}
