//! The custom scalars of the API.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{SecondsFormat, Utc};

use crate::domain::cursor::Cursor;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub chrono::DateTime<Utc>);

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(at: chrono::DateTime<Utc>) -> Self {
        Self(at)
    }
}

/// A point in time in RFC 3339 format and UTC with microseconds, such as `2026-03-01T17:04:05.123456Z`. Inputs may have
/// any offset.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::custom("a string is required")) };
        let at = chrono::DateTime::parse_from_rfc3339(&text)
            .map_err(|_| InputValueError::custom("the value is not a valid RFC 3339 date and time"))?;
        Ok(Self(at.to_utc()))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneE164(pub String);

/// A phone number in E.164, such as `+13035550100`. The phone of a contact may also be a short code (`88222`), an
/// alphanumeric sender or a channel address (`whatsapp:+13035560001`), exactly as the carrier sent it.
#[Scalar]
impl ScalarType for PhoneE164 {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            _ => Err(InputValueError::custom("a string is required")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCursor(pub Cursor);

/// An opaque position in the agency's ordered log of events. Keep the cursor of the last event you received, and pass
/// it as `after` to resume a subscription.
#[Scalar]
impl ScalarType for EventCursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => {
                text.parse().map(Self).map_err(|_| InputValueError::custom("the value is not a valid event cursor"))
            }
            _ => Err(InputValueError::custom("a string is required")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
