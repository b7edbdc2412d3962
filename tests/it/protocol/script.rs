//! Cases as scripts: what the client says, what must come, line by line.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::peer::{Got, Peer, Upgrade};
use crate::support::TestApp;
use crate::support::directory::{AGENCIES, DESK};

/// One rule, as a client sees it.
pub(super) struct Case {
    /// What is so, in short.
    pub(super) name: String,
    upgrade: Upgrade,
    pub(super) lines: Vec<Line>,
}

/// One line of a script.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// The client sends this; `$ANA` and its like stand for what [`World`] holds.
    Say(Value),
    /// The client sends what may be no message at all.
    SayRaw(Message),
    /// This comes next.
    Hear(Value),
    /// An `error` message with this code comes next.
    HearError(&'static str, &'static str),
    /// A result without data, with an error of this code, comes next.
    HearFailure(&'static str, &'static str),
    /// These come next, in whatever order.
    HearAll(Vec<Value>),
    /// The WebSocket's own pong comes next.
    HearPong(&'static [u8]),
    /// This may come next.
    Perhaps(Value),
    /// The server closes with this code.
    Closed(u16),
    /// Time passes.
    Pass(Duration),
    /// Somebody texts the desk.
    Text(&'static str),
    /// Nothing of what was asked for has come: a ping is answered before.
    Nothing,
}

/// What the placeholders of a script stand for.
struct World {
    names: Vec<(&'static str, String)>,
}

pub(super) fn case(name: impl Into<String>, lines: impl IntoIterator<Item = Vec<Line>>) -> Case {
    case_with(name, Upgrade::new(), lines)
}

pub(super) fn case_with(name: impl Into<String>, upgrade: Upgrade, lines: impl IntoIterator<Item = Vec<Line>>) -> Case {
    Case { name: name.into(), upgrade, lines: lines.into_iter().flatten().collect() }
}

pub(super) fn say(message: Value) -> Vec<Line> {
    vec![Line::Say(message)]
}

pub(super) fn hear(message: Value) -> Vec<Line> {
    vec![Line::Hear(message)]
}

pub(super) fn closed(code: u16) -> Vec<Line> {
    vec![Line::Closed(code)]
}

pub(super) fn pass(time: Duration) -> Vec<Line> {
    vec![Line::Pass(time)]
}

pub(super) fn nothing() -> Vec<Line> {
    vec![Line::Nothing]
}

pub(super) fn text(body: &'static str) -> Vec<Line> {
    vec![Line::Text(body)]
}

/// An introduction, which is answered or not.
pub(super) fn init() -> Value {
    json!({"type": "connection_init", "payload": {"authorization": "Bearer $ANA"}})
}

pub(super) fn ack() -> Value {
    json!({"type": "connection_ack"})
}

/// An introduction that is accepted.
pub(super) fn introduced() -> Vec<Line> {
    vec![Line::Say(init()), Line::Hear(ack())]
}

pub(super) fn subscribe(id: &str, query: &str) -> Vec<Line> {
    subscribe_with(id, json!({"query": query}))
}

pub(super) fn subscribe_with(id: &str, payload: Value) -> Vec<Line> {
    say(json!({"type": "subscribe", "id": id, "payload": payload}))
}

/// Who is it? `{"viewer": {"key": "ana"}}`
pub(super) const WHO: &str = "{ viewer { key } }";

/// The answer to [`WHO`], to its end.
pub(super) fn hear_who(id: &str) -> Vec<Line> {
    [hear(next(id, json!({"viewer": {"key": "ana"}}))), hear(complete(id))].concat()
}

/// Follows the texts from where the log ended when the script began: so that it does not matter
/// when exactly the server begins to follow.
pub(super) fn follow(id: &str) -> Vec<Line> {
    follow_after(id, "$NOW")
}

pub(super) fn follow_after(id: &str, cursor: &str) -> Vec<Line> {
    let query = "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body } } }";
    subscribe_with(id, json!({"query": query, "variables": {"after": cursor}}))
}

/// The event of a text.
pub(super) fn event(id: &str, body: &str) -> Value {
    next(id, json!({"inboundMessage": {"message": {"body": body}}}))
}

pub(super) fn next(id: &str, data: Value) -> Value {
    json!({"type": "next", "id": id, "payload": {"data": data}})
}

pub(super) fn complete(id: &str) -> Value {
    json!({"type": "complete", "id": id})
}

/// Says that it has heard enough.
pub(super) fn stop(id: &str) -> Vec<Line> {
    say(complete(id))
}

/// Runs all cases against one server, and fails with a list of those that are not so.
pub(super) async fn run(cases: Vec<Case>) {
    let app = TestApp::start_with(AGENCIES).await;
    let expired = app.token("acme", "ana");
    app.clock.advance(Duration::from_secs(3600));
    let mut wrong = Vec::new();
    for Case { name, upgrade, lines } in cases {
        let world = World::of(&app, expired.expose_secret()).await;
        let mut peer = upgrade.open(app.address).await;
        if let Err(what) = play(&app, &world, &mut peer, lines).await {
            wrong.push(format!("{name}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

async fn play(app: &TestApp, world: &World, peer: &mut Peer, lines: Vec<Line>) -> Result<(), String> {
    let mut held = None;
    for (at, line) in lines.into_iter().enumerate() {
        let mut nothing = None;
        let expected = match line {
            Line::Say(message) => {
                world.say(peer, &message).await.map_err(|error| format!("line {at}: {error}"))?;
                continue;
            }
            Line::SayRaw(message) => {
                peer.try_say(message).await.map_err(|error| format!("line {at}: {error}"))?;
                continue;
            }
            Line::Pass(time) => {
                app.clock.advance(time);
                continue;
            }
            Line::Text(body) => {
                app.text("+13035560001", DESK, body).await;
                continue;
            }
            Line::Nothing => {
                let payload = json!({"line": at});
                world.say(peer, &json!({"type": "ping", "payload": payload})).await?;
                nothing = Some(json!({"type": "pong", "payload": payload}));
                Line::Hear(nothing.clone().unwrap_or_default())
            }
            other => other,
        };
        let got = match held.take() {
            Some(got) => got,
            None => peer.next().await,
        };
        let as_expected = match (&expected, &got) {
            (Line::Hear(expected), Got::Frame(frame)) => frame == expected,
            (Line::HearError(id, code), Got::Frame(frame)) => {
                frame["type"] == "error" && frame["id"] == *id && frame["payload"][0]["extensions"]["code"] == *code
            }
            (Line::HearFailure(id, code), Got::Frame(frame)) => {
                let payload = &frame["payload"];
                let failed = payload["data"].is_null() && payload["errors"][0]["extensions"]["code"] == *code;
                frame["type"] == "next" && frame["id"] == *id && failed
            }
            (Line::HearAll(expected), Got::Frame(frame)) => {
                let mut missing = expected.clone();
                let mut frame = frame.clone();
                loop {
                    let Some(found) = missing.iter().position(|expected| *expected == frame) else {
                        return Err(format!("line {at}: came {frame}, of {missing:?}"));
                    };
                    missing.swap_remove(found);
                    if missing.is_empty() {
                        break true;
                    }
                    frame = peer.frame().await;
                }
            }
            (Line::Perhaps(expected), _) => {
                if got != Got::Frame(expected.clone()) {
                    held = Some(got.clone());
                }
                true
            }
            (Line::HearPong(expected), Got::Pong(payload)) => payload == expected,
            (Line::Closed(code), got) => *got == Got::Closed(*code),
            _ => false,
        };
        if !as_expected {
            let expected = nothing.map_or_else(|| format!("{expected:?}"), |pong| format!("nothing before {pong}"));
            return Err(format!("line {at}: expected {expected:.300}, got {got:.300?}"));
        }
    }
    Ok(())
}

impl World {
    async fn of(app: &TestApp, expired: &str) -> Self {
        let ana = app.token("acme", "ana");
        let now = app.cursor(&ana).await.as_str().unwrap().to_owned();
        let others = app.cursor(&app.token("other", "olga")).await.as_str().unwrap().to_owned();
        // A cursor is opaque to clients; that another last digit is a place further on is known here.
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

    async fn say(&self, peer: &mut Peer, message: &Value) -> Result<(), String> {
        let mut text = message.to_string();
        // A longer name first: `$NOWHERE` begins as `$NOW` does.
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, value) in names {
            text = text.replace(name, value);
        }
        peer.try_say(Message::text(text)).await
    }
}
