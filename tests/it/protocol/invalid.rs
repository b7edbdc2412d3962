//! A message that is not of the protocol closes the socket with 4400, at any time.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::script::{Case, Line, VIEWER, case, connected, expect_close, run};

/// JSON messages, each with its error.
fn not_of_the_protocol() -> Vec<(&'static str, Value)> {
    let subscribe = |id: Value, payload: Value| json!({"type": "subscribe", "id": id, "payload": payload});
    let asking = |payload: Value| subscribe(json!("1"), payload);
    let with = |member: &str, value: Value| {
        let mut payload = json!({"query": VIEWER});
        payload[member] = value;
        asking(payload)
    };
    vec![
        ("an array", json!([])),
        ("an array of messages", json!([{"type": "ping"}])),
        ("a string", json!("ping")),
        ("a number", json!(1)),
        ("null", json!(null)),
        ("no type", json!({})),
        ("no type, but an id", json!({"id": "1", "payload": {"query": VIEWER}})),
        ("a type that is null", json!({"type": null})),
        ("a type that is a number", json!({"type": 1})),
        ("a type that is an object", json!({"type": {}})),
        ("an empty type", json!({"type": ""})),
        ("a type in capitals", json!({"type": "PING"})),
        ("a type of the older protocol: start", json!({"type": "start", "id": "1", "payload": {"query": VIEWER}})),
        ("a type of the older protocol: stop", json!({"type": "stop", "id": "1"})),
        ("a type of the older protocol: terminate", json!({"type": "connection_terminate"})),
        ("the server's connection_ack", json!({"type": "connection_ack"})),
        ("the server's next", json!({"type": "next", "id": "1", "payload": {"data": {}}})),
        ("the server's error", json!({"type": "error", "id": "1", "payload": [{"message": "no"}]})),
        ("connection_init whose payload is a list", json!({"type": "connection_init", "payload": []})),
        ("connection_init whose payload is a string", json!({"type": "connection_init", "payload": "Bearer $ANA"})),
        ("a ping whose payload is a list", json!({"type": "ping", "payload": [1]})),
        ("a ping whose payload is a string", json!({"type": "ping", "payload": "x"})),
        ("a ping whose payload is false", json!({"type": "ping", "payload": false})),
        ("a pong whose payload is a number", json!({"type": "pong", "payload": 0})),
        ("an operation without an id", json!({"type": "subscribe", "payload": {"query": VIEWER}})),
        ("an operation whose id is empty", subscribe(json!(""), json!({"query": VIEWER}))),
        ("an operation whose id is null", subscribe(json!(null), json!({"query": VIEWER}))),
        ("an operation whose id is a number", subscribe(json!(1), json!({"query": VIEWER}))),
        ("an operation without a payload", json!({"type": "subscribe", "id": "1"})),
        ("an operation whose payload is null", asking(json!(null))),
        ("an operation whose payload is a string", asking(json!(VIEWER))),
        ("an operation whose payload is a list", asking(json!([{"query": VIEWER}]))),
        ("an operation without a query", asking(json!({}))),
        ("an operation whose query is null", with("query", json!(null))),
        ("an operation whose query is a number", with("query", json!(1))),
        ("an operation whose query is a list", with("query", json!([VIEWER]))),
        ("an operation whose name is a number", with("operationName", json!(1))),
        ("an operation whose name is an object", with("operationName", json!({}))),
        ("an operation whose variables are a list", with("variables", json!([]))),
        ("an operation whose variables are a string", with("variables", json!("{}"))),
        ("an operation whose extensions are a list", with("extensions", json!([]))),
        ("an operation whose extensions are a number", with("extensions", json!(1))),
        ("complete without an id", json!({"type": "complete"})),
        ("complete whose id is empty", json!({"type": "complete", "id": ""})),
        ("complete whose id is a number", json!({"type": "complete", "id": 1})),
        ("complete whose id is null", json!({"type": "complete", "id": null})),
    ]
}

/// Frames that are not JSON.
fn not_json() -> Vec<(&'static str, Message)> {
    let deep = format!("{{\"type\":\"ping\",\"payload\":{{\"a\":{}{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        ("nothing", Message::text("")),
        ("spaces", Message::text("  \n")),
        ("words", Message::text("hello")),
        ("half a message", Message::text("{\"type\":\"ping\"")),
        ("two messages", Message::text("{\"type\":\"ping\"}{\"type\":\"ping\"}")),
        ("quotes of another kind", Message::text("{'type':'ping'}")),
        ("NaN as a number", Message::text("{\"type\":\"ping\",\"payload\":{\"n\":NaN}}")),
        ("half a surrogate pair", Message::text("{\"type\":\"ping\",\"payload\":{\"n\":\"\\ud800\"}}")),
        ("brackets that are never closed", Message::text("[".repeat(200_000))),
        ("brackets within a payload", Message::text(deep)),
        ("bytes", Message::binary(&b"{\"type\":\"ping\"}"[..])),
        ("no bytes", Message::binary(&b""[..])),
        ("invalid UTF-8", Message::Frame(Frame::message(&b"{\"type\":\"\xff\"}"[..], OpCode::Data(Data::Text), true))),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let json = not_of_the_protocol().into_iter().map(|(what, message)| (what, Line::Send(message)));
    let raw = not_json().into_iter().map(|(what, message)| (what, Line::SendRaw(message)));
    let both = |(what, line): (&str, Line)| {
        let begun = case(what, [connected(), vec![line.clone()], expect_close(4400)]);
        [case(format!("{what}, before connection_init"), [vec![line], expect_close(4400)]), begun]
    };
    json.chain(raw).flat_map(both).collect()
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn an_invalid_message_closes_the_socket() {
    run(cases()).await;
}
