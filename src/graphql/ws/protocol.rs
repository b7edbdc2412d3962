//! The messages of `graphql-transport-ws`, and the codes that a socket is closed with.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::graphql::limits::MAX_ID_BYTES;
use crate::graphql::operation::Asked;

/// The one subprotocol that is spoken here.
pub(super) const NAME: &str = "graphql-transport-ws";

/// Why a socket is closed. 1011 and 1008 are not among them: clients take those as final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Close {
    /// The message is none of the protocol's.
    Invalid,
    /// Something was asked before the introduction.
    Unauthorized,
    /// The token is not valid, or not any more.
    Forbidden,
    /// The other side does not speak our subprotocol.
    Subprotocol,
    /// No introduction came in time.
    InitTimeout,
    /// An operation of this id is under way.
    Duplicate(Arc<str>),
    /// A second introduction.
    TooManyInits,
    /// The other side did not read what it asked for.
    Terminated,
    /// The message is too long.
    TooLong,
    /// The server is going away; another one is there.
    Restart,
    /// The token could not be checked just now, or a limit of the user or the address is reached.
    TryAgain,
}

impl Close {
    pub(super) fn frame(&self) -> CloseFrame {
        let (code, reason) = match self {
            Self::Invalid => (4400, "Invalid message"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::Forbidden => (4403, "Forbidden"),
            Self::Subprotocol => (4406, "Subprotocol not acceptable"),
            Self::InitTimeout => (4408, "Connection initialisation timeout"),
            Self::Duplicate(id) => {
                // A reason has at most 123 bytes (RFC 6455, section 5.5).
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
    /// The introduction, with what it says of authorization.
    Init(Option<String>),
    /// Are you there?
    Ping(Option<Map<String, Value>>),
    /// Yes.
    Pong,
    /// A ping of the WebSocket itself, which the library answers.
    Heartbeat,
    /// An operation to begin.
    Subscribe(Arc<str>, Box<Asked>),
    /// An operation to end.
    Complete(Arc<str>),
}

impl Incoming {
    /// Reads a message; `None` if it is none of the protocol's.
    pub(super) fn read(text: &str) -> Option<Self> {
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
                let asked = serde_json::from_value(Value::Object(payload?)).ok()?;
                Self::Subscribe(id(&mut message)?, Box::new(asked))
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

/// The answer to the introduction.
pub(super) fn ack() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"type":"connection_ack"}"#)
}

/// The answer to a ping.
pub(super) fn pong(payload: Option<Map<String, Value>>) -> Utf8Bytes {
    match payload {
        Some(payload) => format!(r#"{{"type":"pong","payload":{}}}"#, Value::Object(payload)).into(),
        None => Utf8Bytes::from_static(r#"{"type":"pong"}"#),
    }
}

/// A result. The payload is serialised on its own and the id put in beside it, so that one payload
/// can go to many.
pub(super) fn next(id: &str, payload: &str) -> Utf8Bytes {
    message("next", id, Some(payload))
}

/// The operation is refused, or fails: nothing more follows. The payload is a list of errors.
pub(super) fn error(id: &str, errors: &str) -> Utf8Bytes {
    message("error", id, Some(errors))
}

/// The operation is done.
pub(super) fn complete(id: &str) -> Utf8Bytes {
    message("complete", id, None)
}

/// Serialises what cannot fail to be: all keys are strings.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn message(kind: &str, id: &str, payload: Option<&str>) -> Utf8Bytes {
    let mut text = String::with_capacity(payload.map_or(0, str::len) + id.len() + 48);
    // Writing to a string does not fail.
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
    fn what_is_no_message_is_not_read() {
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
            assert!(Incoming::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn messages_are_written_as_the_protocol_says() {
        assert_eq!(next("a\"b", "{}").as_str(), r#"{"type":"next","id":"a\"b","payload":{}}"#);
        assert_eq!(complete("1").as_str(), r#"{"type":"complete","id":"1"}"#);
        let payload = Map::from_iter([("n".to_owned(), Value::from(1))]);
        assert_eq!(pong(Some(payload)).as_str(), r#"{"type":"pong","payload":{"n":1}}"#);
    }
}
