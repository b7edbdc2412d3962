//! Before the first operation: the handshake, connection_init and its acknowledgement, pings and pongs.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::peer::Upgrade;
use super::script::{
    Case, Line, VIEWER, ack, advance_clock, case, case_with, connected, event, expect_close, expect_message,
    expect_nothing, expect_viewer, follow, init, next, run, send, subscribe, text,
};

const JUST_UNDER_THREE_SECONDS: Duration = Duration::from_millis(2_999);

fn ping(payload: Value) -> Vec<Line> {
    send(json!({"type": "ping", "payload": payload}))
}

fn pong(payload: Value) -> Vec<Line> {
    expect_message(json!({"type": "pong", "payload": payload}))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = handshake();
    cases.extend(initialization());
    cases.extend(operations_before_acknowledgement());
    cases.extend(pings());
    cases
}

fn handshake() -> Vec<Case> {
    let speaking = Upgrade::with_subprotocols;
    let normal = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
    vec![
        case_with("no subprotocol: accepted, then closed", Upgrade::without_subprotocol(), [expect_close(4406)]),
        case_with("another subprotocol: accepted, then closed", speaking("graphql-ws"), [expect_close(4406)]),
        case_with("a subprotocol of a longer name", speaking("graphql-transport-ws2"), [expect_close(4406)]),
        case_with("the subprotocol first among others", speaking("graphql-transport-ws, graphql-ws"), [connected()]),
        case_with("the subprotocol last among others", speaking("graphql-ws,graphql-transport-ws"), [connected()]),
        // RFC 6455, section 5.5.1: a close frame is answered with a close frame.
        case(
            "the client closes after the acknowledgement",
            [connected(), vec![Line::SendRaw(Message::Close(Some(normal.clone())))], expect_close(1000)],
        ),
        case(
            "the client closes before connection_init",
            [expect_nothing(), vec![Line::SendRaw(Message::Close(Some(normal)))], expect_close(1000)],
        ),
    ]
}

fn initialization() -> Vec<Case> {
    let mut cases = vec![
        case("connection_init is acknowledged", [connected()]),
        case(
            "connection_init may have additional members",
            [
                send(
                    json!({"type": "connection_init", "payload": {"authorization": "Bearer $ANA", "client": {"v": [1]}}}),
                ),
                expect_message(ack()),
            ],
        ),
        case(
            "the scheme of a token is case-insensitive",
            [
                send(json!({"type": "connection_init", "payload": {"authorization": "bearer $ANA"}})),
                expect_message(ack()),
            ],
        ),
        case(
            "no connection_init before the timeout",
            [
                expect_nothing(),
                advance_clock(JUST_UNDER_THREE_SECONDS),
                expect_nothing(),
                advance_clock(Duration::from_millis(1)),
                expect_close(4408),
            ],
        ),
        case(
            "no message at all before the timeout",
            [expect_nothing(), advance_clock(Duration::from_secs(3)), expect_close(4408)],
        ),
        case(
            "no timeout after the acknowledgement",
            [
                connected(),
                expect_nothing(),
                advance_clock(Duration::from_secs(60)),
                expect_nothing(),
                subscribe("1", VIEWER),
                expect_viewer("1"),
            ],
        ),
        case("a second connection_init", [connected(), send(init()), expect_close(4429)]),
        case(
            "a second connection_init before the first is acknowledged",
            [send(init()), send(init()), vec![Line::MayReceive(ack())], expect_close(4429)],
        ),
        case(
            "a second connection_init while an operation is running",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                send(json!({"type": "connection_init"})),
                expect_close(4429),
            ],
        ),
    ];
    for (what, payload) in [
        ("null", json!(null)),
        ("without a token", json!({})),
        ("with the token under another name", json!({"Authorization": "Bearer $ANA", "token": "$ANA"})),
        ("with a token that is not a string", json!({"authorization": ["Bearer $ANA"]})),
        ("with a token without its scheme", json!({"authorization": "$ANA"})),
        ("with another scheme", json!({"authorization": "Basic $ANA"})),
        ("with an empty token", json!({"authorization": "Bearer "})),
        ("with a value that is not a token", json!({"authorization": "Bearer abc"})),
        ("with a token whose signature was changed", json!({"authorization": "Bearer $ANAx"})),
        ("with a token that is not signed", json!({"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ."})),
        ("with a token that has expired", json!({"authorization": "Bearer $EXPIRED"})),
        ("with a token of an unknown user", json!({"authorization": "Bearer $NOBODY"})),
        ("with a token of an unknown agency", json!({"authorization": "Bearer $NOWHERE"})),
    ] {
        let init = json!({"type": "connection_init", "payload": payload});
        cases.push(case(format!("connection_init {what}"), [send(init), expect_close(4403)]));
    }
    cases.push(case(
        "connection_init without a payload",
        [send(json!({"type": "connection_init"})), expect_close(4403)],
    ));
    cases
}

fn operations_before_acknowledgement() -> Vec<Case> {
    vec![
        case("an operation before connection_init", [subscribe("1", VIEWER), expect_close(4401)]),
        case("a subscription before connection_init", [follow("1"), expect_close(4401)]),
        case("an operation that does not parse, before connection_init", [subscribe("1", "{"), expect_close(4401)]),
        case(
            "an operation sent before the acknowledgement: the acknowledgement comes first",
            [send(init()), subscribe("1", VIEWER), expect_message(ack()), expect_viewer("1")],
        ),
        case(
            "an operation after a refused connection_init is not executed",
            [send(json!({"type": "connection_init"})), subscribe("1", VIEWER), expect_close(4403)],
        ),
        case(
            "complete before connection_init is ignored",
            [send(json!({"type": "complete", "id": "1"})), expect_nothing()],
        ),
    ]
}

fn pings() -> Vec<Case> {
    let nested = json!({"a": [1, 2.5, {"b": null}], "ü\"\\": "\u{1f4ac}\n", "": true});
    let bare = || [send(json!({"type": "ping"})), expect_message(json!({"type": "pong"}))].concat();
    let null = || [send(json!({"type": "ping", "payload": null})), expect_message(json!({"type": "pong"}))].concat();
    vec![
        case(
            "a ping before connection_init",
            [bare(), null(), ping(nested.clone()), pong(nested.clone()), connected()],
        ),
        case("a ping after the acknowledgement", [connected(), bare(), null(), ping(nested.clone()), pong(nested)]),
        case("an empty payload is returned", [connected(), ping(json!({})), pong(json!({}))]),
        case(
            "each ping gets a pong, in order",
            [
                connected(),
                ping(json!({"n": 1})),
                ping(json!({"n": 2})),
                ping(json!({"n": 3})),
                pong(json!({"n": 1})),
                pong(json!({"n": 2})),
                pong(json!({"n": 3})),
            ],
        ),
        case(
            "a ping while an operation is running",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                ping(json!({"n": 1})),
                pong(json!({"n": 1})),
            ],
        ),
        // RFC 6455, section 5.5.2.
        case(
            "pings of the WebSocket protocol",
            [
                vec![Line::SendRaw(Message::Ping("a".into())), Line::ExpectPong(b"a")],
                connected(),
                vec![Line::SendRaw(Message::Ping("".into())), Line::ExpectPong(b"")],
                vec![Line::SendRaw(Message::Pong("b".into()))],
                expect_nothing(),
            ],
        ),
        case(
            "unsolicited pongs",
            [
                send(json!({"type": "pong"})),
                expect_nothing(),
                connected(),
                send(json!({"type": "pong"})),
                send(json!({"type": "pong", "payload": null})),
                send(json!({"type": "pong", "payload": {"n": 1}})),
                expect_nothing(),
            ],
        ),
        case(
            "unknown members are ignored",
            [
                connected(),
                send(json!({"type": "ping", "id": "1", "extra": [1]})),
                expect_message(json!({"type": "pong"})),
            ],
        ),
        case(
            "whitespace and the order of members do not matter",
            [
                connected(),
                vec![Line::SendRaw(Message::text(
                    "\n {\t\"payload\" : { \"query\":\"{ viewer { key } }\" }, \"id\":\"1\",\r\n \"type\":\"subscribe\"} \n",
                ))],
                expect_message(next("1", json!({"viewer": {"key": "ana"}}))),
            ],
        ),
    ]
}

#[tokio::test]
async fn the_handshake_follows_the_protocol() {
    run(cases()).await;
}
