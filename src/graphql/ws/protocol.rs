//! The messages and close codes of `graphql-transport-ws`.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::graphql::limits::MAX_ID_BYTES;
use crate::graphql::operation::RequestParameters;
use crate::service::authenticate::TokenProblem;

/// The only supported subprotocol.
pub(super) const NAME: &str = "graphql-transport-ws";

/// Reasons for closing a socket. 1008 and 1011 are not used, because clients treat them as fatal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Close {
    /// The client sent a message that the protocol does not define.
    Invalid,
    /// The client subscribed before `connection_init`.
    Unauthorized,
    /// The token is not accepted.
    Forbidden(TokenProblem),
    /// The client did not offer the subprotocol [`NAME`].
    Subprotocol,
    /// No `connection_init` arrived in time.
    InitTimeout,
    /// An operation with this id is already running.
    Duplicate(Arc<str>),
    /// A second `connection_init`.
    TooManyInits,
    /// The client did not read its messages in time.
    Terminated,
    TooLong,
    /// The server drains; the client can reconnect at once.
    Restart,
    /// The token could not be verified, or a limit of the user or the address is reached.
    TryAgain,
}

impl Close {
    pub(super) fn frame(&self) -> CloseFrame {
        let (code, reason) = match self {
            Self::Invalid => (4400, "Invalid message"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::Forbidden(problem) => {
                return CloseFrame { code: 4403, reason: format!("Forbidden: {}", problem.as_str()).into() };
            }
            Self::Subprotocol => (4406, "Subprotocol not acceptable"),
            Self::InitTimeout => (4408, "Connection initialisation timeout"),
            Self::Duplicate(id) => {
                // A close reason has at most 123 bytes (RFC 6455, section 5.5).
                let id: String = id.chars().filter(|c| !c.is_control()).take(20).collect();
                return CloseFrame { code: 4409, reason: format!("Subscriber for {id} already exists").into() };
            }
            Self::TooManyInits => (4429, "Too many initialisation requests"),
            Self::Terminated => (4499, "Terminated"),
            Self::TooLong => (1009, "Message too long"),
            Self::Restart => (1012, "Service restart"),
            Self::TryAgain => (1013, "Try again later"),
        };
        CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
    }
}

/// A message from the client.
pub(super) enum Incoming {
    /// `connection_init`, with the `authorization` of its payload.
    Init(Option<String>),
    Ping(Option<Map<String, Value>>),
    Pong,
    /// A ping frame of the WebSocket layer; the library queues the answer.
    WebSocketPing,
    Subscribe(Arc<str>, Box<RequestParameters>),
    Complete(Arc<str>),
}

impl Incoming {
    /// Parses a message; `None` if the protocol does not define it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(text) else { return None };
        let payload = match message.remove("payload") {
            None | Some(Value::Null) => None,
            Some(Value::Object(payload)) => Some(payload),
            Some(_) => return None,
        };
        let Some(Value::String(kind)) = message.remove("type") else { return None };
        Some(match kind.as_str() {
            "connection_init" => {
                let authorization = payload.and_then(|mut payload| payload.remove("authorization"));
                Self::Init(authorization.and_then(|value| value.as_str().map(str::to_owned)))
            }
            "ping" => Self::Ping(payload),
            "pong" => Self::Pong,
            "subscribe" => {
                let parameters = serde_json::from_value(Value::Object(payload?)).ok()?;
                Self::Subscribe(id(&mut message)?, Box::new(parameters))
            }
            "complete" => Self::Complete(id(&mut message)?),
            _ => return None,
        })
    }
}

fn id(message: &mut Map<String, Value>) -> Option<Arc<str>> {
    match message.remove("id") {
        Some(Value::String(id)) if (1..=MAX_ID_BYTES).contains(&id.len()) => Some(id.into()),
        _ => None,
    }
}

pub(super) fn ack() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"type":"connection_ack"}"#)
}

pub(super) fn pong(payload: Option<Map<String, Value>>) -> Utf8Bytes {
    match payload {
        Some(payload) => format!(r#"{{"type":"pong","payload":{}}}"#, Value::Object(payload)).into(),
        None => Utf8Bytes::from_static(r#"{"type":"pong"}"#),
    }
}

/// A result. The payload is serialized separately from the id, so that subscribers can share it.
pub(super) fn next(id: &str, payload: &str) -> Utf8Bytes {
    message("next", id, Some(payload))
}

/// The last message of an operation that is rejected or fails. `errors` is a serialized list of errors.
pub(super) fn error(id: &str, errors: &str) -> Utf8Bytes {
    message("error", id, Some(errors))
}

/// The last message of an operation that succeeds.
pub(super) fn complete(id: &str) -> Utf8Bytes {
    message("complete", id, None)
}

/// Serializes a value whose keys are all strings, which cannot fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn message(kind: &str, id: &str, payload: Option<&str>) -> Utf8Bytes {
    let mut text = String::with_capacity(payload.map_or(0, str::len) + id.len() + 48);
    // Writing to a string cannot fail.
    let _ = write!(text, r#"{{"type":"{kind}","id":{}"#, json(&id));
    if let Some(payload) = payload {
        text.push_str(r#","payload":"#);
        text.push_str(payload);
    }
    text.push('}');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_the_protocol_does_not_define_are_not_parsed() {
        for text in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"start"}"#,
            r#"{"type":"ping","payload":1}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert!(Incoming::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn messages_are_written_as_the_protocol_specifies() {
        assert_eq!(next("a\"b", "{}").as_str(), r#"{"type":"next","id":"a\"b","payload":{}}"#);
        assert_eq!(complete("1").as_str(), r#"{"type":"complete","id":"1"}"#);
        let payload = Map::from_iter([("n".to_owned(), Value::from(1))]);
        assert_eq!(pong(Some(payload)).as_str(), r#"{"type":"pong","payload":{"n":1}}"#);
    }
}
