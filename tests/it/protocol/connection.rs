//! Before the first operation: the handshake, the introduction and its answer, pings and pongs.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::peer::Upgrade;
use super::script::{
    Case, Line, WHO, ack, case, case_with, closed, event, follow, hear, hear_who, init, introduced, next, nothing,
    pass, run, say, subscribe, text,
};

const JUST_UNDER_THREE_SECONDS: Duration = Duration::from_millis(2_999);

fn ping(payload: Value) -> Vec<Line> {
    say(json!({"type": "ping", "payload": payload}))
}

fn pong(payload: Value) -> Vec<Line> {
    hear(json!({"type": "pong", "payload": payload}))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = handshake();
    cases.extend(introduction());
    cases.extend(too_early());
    cases.extend(pings());
    cases
}

fn handshake() -> Vec<Case> {
    let speaking = Upgrade::speaking;
    let normal = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
    vec![
        case_with("no subprotocol: accepted, then closed", Upgrade::speaking_nothing(), [closed(4406)]),
        case_with("another subprotocol: accepted, then closed", speaking("graphql-ws"), [closed(4406)]),
        case_with("a subprotocol of a longer name", speaking("graphql-transport-ws2"), [closed(4406)]),
        case_with("ours first among others", speaking("graphql-transport-ws, graphql-ws"), [introduced()]),
        case_with("ours last among others", speaking("graphql-ws,graphql-transport-ws"), [introduced()]),
        // RFC 6455, section 5.5.1: a farewell is answered with one.
        case(
            "the client closes as usual",
            [introduced(), vec![Line::SayRaw(Message::Close(Some(normal.clone())))], closed(1000)],
        ),
        case(
            "the client closes before it has introduced itself",
            [nothing(), vec![Line::SayRaw(Message::Close(Some(normal)))], closed(1000)],
        ),
    ]
}

fn introduction() -> Vec<Case> {
    let mut cases = vec![
        case("an introduction is acknowledged", [introduced()]),
        case(
            "an introduction may say more than we ask",
            [
                say(
                    json!({"type": "connection_init", "payload": {"authorization": "Bearer $ANA", "client": {"v": [1]}}}),
                ),
                hear(ack()),
            ],
        ),
        case(
            "the scheme of a token is written in any case",
            [say(json!({"type": "connection_init", "payload": {"authorization": "bearer $ANA"}})), hear(ack())],
        ),
        case(
            "no introduction in time",
            [nothing(), pass(JUST_UNDER_THREE_SECONDS), nothing(), pass(Duration::from_millis(1)), closed(4408)],
        ),
        case("nothing at all in time", [nothing(), pass(Duration::from_secs(3)), closed(4408)]),
        case(
            "who has introduced themselves has all the time",
            [introduced(), nothing(), pass(Duration::from_secs(60)), nothing(), subscribe("1", WHO), hear_who("1")],
        ),
        case("a second introduction", [introduced(), say(init()), closed(4429)]),
        case(
            "a second introduction before the first is acknowledged",
            [say(init()), say(init()), vec![Line::Perhaps(ack())], closed(4429)],
        ),
        case(
            "a second introduction while an operation is under way",
            [
                introduced(),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
                say(json!({"type": "connection_init"})),
                closed(4429),
            ],
        ),
    ];
    for (what, payload) in [
        ("null", json!(null)),
        ("without a token", json!({})),
        ("with the token under another name", json!({"Authorization": "Bearer $ANA", "token": "$ANA"})),
        ("with a token that is no text", json!({"authorization": ["Bearer $ANA"]})),
        ("with a token without its scheme", json!({"authorization": "$ANA"})),
        ("with another scheme", json!({"authorization": "Basic $ANA"})),
        ("with an empty token", json!({"authorization": "Bearer "})),
        ("with what is no token", json!({"authorization": "Bearer abc"})),
        ("with a token whose signature was changed", json!({"authorization": "Bearer $ANAx"})),
        ("with a token that is not signed", json!({"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ."})),
        ("with a token that has expired", json!({"authorization": "Bearer $EXPIRED"})),
        ("with a token of nobody", json!({"authorization": "Bearer $NOBODY"})),
        ("with a token of no agency", json!({"authorization": "Bearer $NOWHERE"})),
    ] {
        let init = json!({"type": "connection_init", "payload": payload});
        cases.push(case(format!("an introduction {what}"), [say(init), closed(4403)]));
    }
    cases.push(case("an introduction that says nothing", [say(json!({"type": "connection_init"})), closed(4403)]));
    cases
}

fn too_early() -> Vec<Case> {
    vec![
        case("an operation before the introduction", [subscribe("1", WHO), closed(4401)]),
        case("a subscription before the introduction", [follow("1"), closed(4401)]),
        case("an operation that does not parse, before it", [subscribe("1", "{"), closed(4401)]),
        case(
            "an operation right behind the introduction: the acknowledgement comes first",
            [say(init()), subscribe("1", WHO), hear(ack()), hear_who("1")],
        ),
        case(
            "an operation behind an introduction that is refused is not executed",
            [say(json!({"type": "connection_init"})), subscribe("1", WHO), closed(4403)],
        ),
        case(
            "an end before the introduction is of no known id",
            [say(json!({"type": "complete", "id": "1"})), nothing()],
        ),
    ]
}

fn pings() -> Vec<Case> {
    let nested = json!({"a": [1, 2.5, {"b": null}], "ü\"\\": "\u{1f4ac}\n", "": true});
    let bare = || [say(json!({"type": "ping"})), hear(json!({"type": "pong"}))].concat();
    let null = || [say(json!({"type": "ping", "payload": null})), hear(json!({"type": "pong"}))].concat();
    vec![
        case(
            "a ping before the introduction",
            [bare(), null(), ping(nested.clone()), pong(nested.clone()), introduced()],
        ),
        case("a ping after the acknowledgement", [introduced(), bare(), null(), ping(nested.clone()), pong(nested)]),
        case("an empty payload stays one", [introduced(), ping(json!({})), pong(json!({}))]),
        case(
            "each ping has its pong, in order",
            [
                introduced(),
                ping(json!({"n": 1})),
                ping(json!({"n": 2})),
                ping(json!({"n": 3})),
                pong(json!({"n": 1})),
                pong(json!({"n": 2})),
                pong(json!({"n": 3})),
            ],
        ),
        case(
            "a ping while an operation is under way",
            [
                introduced(),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
                ping(json!({"n": 1})),
                pong(json!({"n": 1})),
            ],
        ),
        // RFC 6455, section 5.5.2.
        case(
            "the WebSocket has pings of its own",
            [
                vec![Line::SayRaw(Message::Ping("a".into())), Line::HearPong(b"a")],
                introduced(),
                vec![Line::SayRaw(Message::Ping("".into())), Line::HearPong(b"")],
                vec![Line::SayRaw(Message::Pong("b".into()))],
                nothing(),
            ],
        ),
        case(
            "pongs that nobody asked for",
            [
                say(json!({"type": "pong"})),
                nothing(),
                introduced(),
                say(json!({"type": "pong"})),
                say(json!({"type": "pong", "payload": null})),
                say(json!({"type": "pong", "payload": {"n": 1}})),
                nothing(),
            ],
        ),
        case(
            "members that the protocol does not know are passed over",
            [introduced(), say(json!({"type": "ping", "id": "1", "extra": [1]})), hear(json!({"type": "pong"}))],
        ),
        case(
            "a message may be laid out as one likes",
            [
                introduced(),
                vec![Line::SayRaw(Message::text(
                    "\n {\t\"payload\" : { \"query\":\"{ viewer { key } }\" }, \"id\":\"1\",\r\n \"type\":\"subscribe\"} \n",
                ))],
                hear(next("1", json!({"viewer": {"key": "ana"}}))),
            ],
        ),
    ]
}

#[tokio::test]
async fn a_connection_begins_as_the_protocol_says() {
    run(cases()).await;
}
