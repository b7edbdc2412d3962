//! Test cases as scripts: messages that the client sends and messages that it expects, line by line.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::peer::{Peer, Received, Upgrade};
use crate::support::TestApp;
use crate::support::directory::{AGENCIES, DESK};

/// One rule of the protocol, from a client's point of view.
pub(super) struct Case {
    /// A short description.
    pub(super) name: String,
    upgrade: Upgrade,
    pub(super) lines: Vec<Line>,
}

/// One line of a script.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// The client sends this message; placeholders such as `$ANA` are replaced by values of [`Placeholders`].
    Send(Value),
    /// The client sends this frame, which may be invalid.
    SendRaw(Message),
    /// The next message is this one.
    Expect(Value),
    /// The next message is an `error` for this id with this code.
    ExpectError(&'static str, &'static str),
    /// The next message is a result for this id without data and with an error of this code.
    ExpectFailure(&'static str, &'static str),
    /// The next messages are these, in any order.
    ExpectAll(Vec<Value>),
    /// The next frame is a pong of the WebSocket protocol.
    ExpectPong(&'static [u8]),
    /// The next message may be this one.
    MayReceive(Value),
    /// The server closes the socket with this code.
    ExpectClose(u16),
    /// The clock advances.
    AdvanceClock(Duration),
    /// The desk receives a text.
    ReceiveText(&'static str),
    /// No other message arrives before the pong to a ping.
    ExpectNothing,
}

/// The values of the placeholders in scripts.
struct Placeholders {
    names: Vec<(&'static str, String)>,
}

pub(super) fn case(name: impl Into<String>, lines: impl IntoIterator<Item = Vec<Line>>) -> Case {
    case_with(name, Upgrade::new(), lines)
}

pub(super) fn case_with(name: impl Into<String>, upgrade: Upgrade, lines: impl IntoIterator<Item = Vec<Line>>) -> Case {
    Case { name: name.into(), upgrade, lines: lines.into_iter().flatten().collect() }
}

pub(super) fn send(message: Value) -> Vec<Line> {
    vec![Line::Send(message)]
}

pub(super) fn expect_message(message: Value) -> Vec<Line> {
    vec![Line::Expect(message)]
}

pub(super) fn expect_close(code: u16) -> Vec<Line> {
    vec![Line::ExpectClose(code)]
}

pub(super) fn advance_clock(time: Duration) -> Vec<Line> {
    vec![Line::AdvanceClock(time)]
}

pub(super) fn expect_nothing() -> Vec<Line> {
    vec![Line::ExpectNothing]
}

pub(super) fn text(body: &'static str) -> Vec<Line> {
    vec![Line::ReceiveText(body)]
}

/// A valid connection_init.
pub(super) fn init() -> Value {
    json!({"type": "connection_init", "payload": {"authorization": "Bearer $ANA"}})
}

pub(super) fn ack() -> Value {
    json!({"type": "connection_ack"})
}

/// Sends connection_init and expects the acknowledgement.
pub(super) fn connected() -> Vec<Line> {
    vec![Line::Send(init()), Line::Expect(ack())]
}

pub(super) fn subscribe(id: &str, query: &str) -> Vec<Line> {
    subscribe_with(id, json!({"query": query}))
}

pub(super) fn subscribe_with(id: &str, payload: Value) -> Vec<Line> {
    send(json!({"type": "subscribe", "id": id, "payload": payload}))
}

/// A query for the current user; its response is `{"viewer": {"key": "ana"}}`.
pub(super) const VIEWER: &str = include_str!("../documents/protocol_script_viewer.graphql");

/// Expects the response to [`VIEWER`] and its completion.
pub(super) fn expect_viewer(id: &str) -> Vec<Line> {
    [expect_message(next(id, json!({"viewer": {"key": "ana"}}))), expect_message(complete(id))].concat()
}

/// Subscribes to texts after the cursor at the start of the script, so that it does not matter when the server starts
/// the subscription.
pub(super) fn follow(id: &str) -> Vec<Line> {
    follow_after(id, "$NOW")
}

pub(super) fn follow_after(id: &str, cursor: &str) -> Vec<Line> {
    let query = "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body } } }";
    subscribe_with(id, json!({"query": query, "variables": {"after": cursor}}))
}

/// The event for a text.
pub(super) fn event(id: &str, body: &str) -> Value {
    next(id, json!({"inboundMessage": {"message": {"body": body}}}))
}

pub(super) fn next(id: &str, data: Value) -> Value {
    json!({"type": "next", "id": id, "payload": {"data": data}})
}

pub(super) fn complete(id: &str) -> Value {
    json!({"type": "complete", "id": id})
}

/// The client completes the operation.
pub(super) fn client_complete(id: &str) -> Vec<Line> {
    send(complete(id))
}

/// Runs all cases on one server and fails with a list of the cases that differ.
pub(super) async fn run(cases: Vec<Case>) {
    let app = TestApp::start_with(AGENCIES).await;
    let expired = app.token("acme", "ana");
    app.clock.advance(Duration::from_secs(3600));
    let mut wrong = Vec::new();
    for Case { name, upgrade, lines } in cases {
        let placeholders = Placeholders::new(&app, expired.expose_secret()).await;
        let mut peer = upgrade.open(app.address).await;
        if let Err(what) = run_script(&app, &placeholders, &mut peer, lines).await {
            wrong.push(format!("{name}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

async fn run_script(
    app: &TestApp,
    placeholders: &Placeholders,
    peer: &mut Peer,
    lines: Vec<Line>,
) -> Result<(), String> {
    let mut pending = None;
    for (at, line) in lines.into_iter().enumerate() {
        let mut nothing = None;
        let expected = match line {
            Line::Send(message) => {
                placeholders.send(peer, &message).await.map_err(|error| format!("line {at}: {error}"))?;
                continue;
            }
            Line::SendRaw(message) => {
                peer.try_send(message).await.map_err(|error| format!("line {at}: {error}"))?;
                continue;
            }
            Line::AdvanceClock(time) => {
                app.clock.advance(time);
                continue;
            }
            Line::ReceiveText(body) => {
                app.text("+13035560001", DESK, body).await;
                continue;
            }
            Line::ExpectNothing => {
                let payload = json!({"line": at});
                placeholders.send(peer, &json!({"type": "ping", "payload": payload})).await?;
                nothing = Some(json!({"type": "pong", "payload": payload}));
                Line::Expect(nothing.clone().unwrap_or_default())
            }
            other => other,
        };
        let got = match pending.take() {
            Some(got) => got,
            None => peer.next().await,
        };
        let as_expected = match (&expected, &got) {
            (Line::Expect(expected), Received::Frame(frame)) => frame == expected,
            (Line::ExpectError(id, code), Received::Frame(frame)) => {
                frame["type"] == "error" && frame["id"] == *id && frame["payload"][0]["extensions"]["code"] == *code
            }
            (Line::ExpectFailure(id, code), Received::Frame(frame)) => {
                let payload = &frame["payload"];
                let failed = payload["data"].is_null() && payload["errors"][0]["extensions"]["code"] == *code;
                frame["type"] == "next" && frame["id"] == *id && failed
            }
            (Line::ExpectAll(expected), Received::Frame(frame)) => {
                let mut missing = expected.clone();
                let mut frame = frame.clone();
                loop {
                    let Some(found) = missing.iter().position(|expected| *expected == frame) else {
                        return Err(format!("line {at}: got {frame}, expected one of {missing:?}"));
                    };
                    missing.swap_remove(found);
                    if missing.is_empty() {
                        break true;
                    }
                    frame = peer.frame().await;
                }
            }
            (Line::MayReceive(expected), _) => {
                if got != Received::Frame(expected.clone()) {
                    pending = Some(got.clone());
                }
                true
            }
            (Line::ExpectPong(expected), Received::Pong(payload)) => payload == expected,
            (Line::ExpectClose(code), got) => *got == Received::Closed(*code),
            _ => false,
        };
        if !as_expected {
            let expected = nothing.map_or_else(|| format!("{expected:?}"), |pong| format!("nothing before {pong}"));
            return Err(format!("line {at}: expected {expected:.300}, got {got:.300?}"));
        }
    }
    Ok(())
}

impl Placeholders {
    async fn new(app: &TestApp, expired: &str) -> Self {
        let ana = app.token("acme", "ana");
        let now = app.cursor(&ana).await.as_str().unwrap().to_owned();
        let others = app.cursor(&app.token("other", "olga")).await.as_str().unwrap().to_owned();
        // Cursors are opaque to clients. This test knows that the last digits are the position.
        let ahead = format!("{}7fffffff", &now[..now.len() - 8]);
        let mut anew = now.clone().into_bytes();
        let middle = anew.len() / 2;
        anew[middle] = if anew[middle] == b'0' { b'1' } else { b'0' };
        let names = vec![
            ("$ANA", ana.expose_secret().to_owned()),
            ("$EXPIRED", expired.to_owned()),
            ("$NOBODY", app.token("acme", "nobody").expose_secret().to_owned()),
            ("$NOWHERE", app.token("nowhere", "ana").expose_secret().to_owned()),
            ("$NOW", now),
            ("$OTHERS", others),
            ("$AHEAD", ahead),
            ("$ANEW", String::from_utf8(anew).unwrap()),
        ];
        Self { names }
    }

    async fn send(&self, peer: &mut Peer, message: &Value) -> Result<(), String> {
        let mut text = message.to_string();
        // Longer names first, because `$NOW` is a prefix of `$NOWHERE`.
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, value) in names {
            text = text.replace(name, value);
        }
        peer.try_send(Message::text(text)).await
    }
}
