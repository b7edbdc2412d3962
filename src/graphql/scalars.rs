//! The custom scalars of the API.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike as _, NaiveDate, SecondsFormat, Utc};

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
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::custom("a string is required")) };
        let at = chrono::DateTime::parse_from_rfc3339(&text)
            .map_err(|_| InputValueError::custom("the value is not a valid RFC 3339 date and time"))?;
        // Other years are not dates in every database.
        let at = Some(at.to_utc()).filter(|at| (1..=9999).contains(&at.year()));
        at.map(Self).ok_or_else(|| InputValueError::custom("the year must be 1 to 9999 in UTC"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalDate(pub NaiveDate);

/// A date in the agency's time zone, such as `2026-12-25`.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6")]
impl ScalarType for LocalDate {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::custom("a string is required")) };
        let date = text.parse().map_err(|_| InputValueError::custom("the value is not a date such as 2026-12-25"))?;
        Ok(Self(date))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Declares a scalar that is a string. Its format is checked where an input field of this type is used, so that a wrong
/// value is a user error with the path of its field.
macro_rules! text_scalar {
    ($(#[$description:meta])* $name:ident, $url:literal) => {
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub String);

        $(#[$description])*
        #[Scalar(specified_by_url = $url)]
        impl ScalarType for $name {
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
    };
}

text_scalar! {
    /// A time of day in the agency's time zone, such as `09:00`. `24:00` is the end of the day.
    LocalTime, "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6"
}

text_scalar! {
    /// A phone number in E.164, such as `+13035550100`.
    PhoneE164, "https://www.itu.int/rec/T-REC-E.164"
}

text_scalar! {
    /// The address of a contact as the carrier sent it: a phone number in E.164, a short code (`88222`), an
    /// alphanumeric sender, or a channel address (`whatsapp:+13035560001`).
    ContactAddress, "https://www.twilio.com/docs/messaging/api/message-resource"
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCursor(pub Cursor);

/// An opaque position in the agency's ordered log of events. Keep the cursor of the last event you received, and pass
/// it as `after` to resume a subscription.
#[Scalar(specified_by_url = "https://relay.dev/graphql/connections.htm#sec-Cursor")]
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
