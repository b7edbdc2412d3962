//! The API's own scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{SecondsFormat, Utc};

use crate::domain::cursor::Cursor;

/// A moment, in RFC 3339 and UTC: `2026-03-01T17:04:05.123456Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub chrono::DateTime<Utc>);

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(at: chrono::DateTime<Utc>) -> Self {
        Self(at)
    }
}

/// A moment, in RFC 3339 and UTC: `2026-03-01T17:04:05.123456Z`.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::custom("a text is needed")) };
        let at = chrono::DateTime::parse_from_rfc3339(&text).map_err(|_| InputValueError::custom("not RFC 3339"))?;
        Ok(Self(at.to_utc()))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// A phone number in E.164, `+13035550100`. A contact's may also be a short code (`88222`) or an
/// address as Twilio sends it (`whatsapp:+1…`), kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneE164(pub String);

/// A phone number in E.164, `+13035550100`. A contact's may also be a short code (`88222`) or an
/// address as Twilio sends it (`whatsapp:+1…`), kept as it came.
#[Scalar]
impl ScalarType for PhoneE164 {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            _ => Err(InputValueError::custom("a text is needed")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A place in the agency's ordered log of events. Opaque; keep the newest one you have seen and
/// subscribe `after` it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCursor(pub Cursor);

/// A place in the agency's ordered log of events. Opaque; keep the newest one you have seen and
/// subscribe `after` it.
#[Scalar]
impl ScalarType for EventCursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => text.parse().map(Self).map_err(|_| InputValueError::custom("not a cursor")),
            _ => Err(InputValueError::custom("a text is needed")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
