//! Limits per socket: the number of operations and the size of messages.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::peer::{Received, Upgrade};
use super::script::{
    Case, Line, VIEWER, case, client_complete, connected, event, expect_close, expect_nothing, expect_viewer, follow,
    run, subscribe, text,
};
use crate::support::{TestApp, wait};

const MAX_OPERATIONS: usize = 32;
const MAX_LENGTH: usize = 256 * 1024;

/// The maximum number of subscriptions, with the ids `0`, `1` …
fn max_subscriptions() -> Vec<Line> {
    (0..MAX_OPERATIONS).flat_map(|id| follow(&id.to_string())).collect()
}

fn rate_limited(id: &'static str) -> Vec<Line> {
    vec![Line::ExpectError(id, "RATE_LIMITED")]
}

#[tokio::test]
async fn a_socket_runs_at_most_thirty_two_operations() {
    let events = |body| vec![Line::ExpectAll((0..MAX_OPERATIONS).map(|id| event(&id.to_string(), body)).collect())];
    run(vec![
        case(
            "one operation too many is refused, and the others continue",
            [
                connected(),
                max_subscriptions(),
                subscribe("x", VIEWER),
                rate_limited("x"),
                follow("y"),
                rate_limited("y"),
                expect_nothing(),
                text("one"),
                events("one"),
                expect_nothing(),
            ],
        ),
        case(
            "a new operation is accepted after another has ended",
            [
                connected(),
                max_subscriptions(),
                subscribe("x", VIEWER),
                rate_limited("x"),
                client_complete("0"),
                subscribe("x", VIEWER),
                expect_viewer("x"),
                subscribe("0", VIEWER),
                expect_viewer("0"),
                follow("0"),
                subscribe("x", VIEWER),
                rate_limited("x"),
            ],
        ),
        case(
            "a duplicate id closes the socket even at the limit",
            [connected(), max_subscriptions(), subscribe("31", VIEWER), expect_close(4409)],
        ),
        case(
            "refused and finished operations do not count",
            [connected(), (0..100).flat_map(|_| [subscribe("x", VIEWER), expect_viewer("x")].concat()).collect()],
        ),
    ])
    .await;
}

/// A `subscribe` message of this many bytes.
fn query_of_length(length: usize) -> String {
    let bare = json!({"type": "subscribe", "id": "1", "payload": {"query": VIEWER}}).to_string();
    bare.replace("{ viewer", &format!("{{{}viewer", " ".repeat(length - bare.len() + 1)))
}

fn fragments(text: &str, size: usize) -> Vec<Line> {
    let fragments: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
    let last = fragments.len() - 1;
    let frame = |(n, piece): (usize, &&[u8])| {
        let kind = if n == 0 { Data::Text } else { Data::Continue };
        Line::SendRaw(Message::Frame(Frame::message(piece.to_vec(), OpCode::Data(kind), n == last)))
    };
    fragments.iter().enumerate().map(frame).collect()
}

fn unfragmented(text: String) -> Vec<Line> {
    vec![Line::SendRaw(Message::text(text))]
}

#[tokio::test]
async fn a_message_has_at_most_256_kib() {
    assert_eq!(query_of_length(MAX_LENGTH).len(), MAX_LENGTH);
    let both = |what: &str, lines: Vec<Line>| -> [Case; 2] {
        let after = case(what, [connected(), lines.clone(), expect_close(1009)]);
        [case(format!("{what}, before connection_init"), [lines, expect_close(1009)]), after]
    };
    let mut cases = vec![
        case(
            "a message of the maximum length",
            [connected(), unfragmented(query_of_length(MAX_LENGTH)), expect_viewer("1"), expect_nothing()],
        ),
        case(
            "the maximum length in fragments",
            [connected(), fragments(&query_of_length(MAX_LENGTH), 50_000), expect_viewer("1"), expect_nothing()],
        ),
        case(
            "a message in fragments of one byte",
            [connected(), fragments(&query_of_length(200), 1), expect_viewer("1"), expect_nothing()],
        ),
    ];
    cases.extend(both("one byte too long", unfragmented(query_of_length(MAX_LENGTH + 1))));
    cases.extend(both("one byte too long in fragments", fragments(&query_of_length(MAX_LENGTH + 1), 50_000)));
    cases.extend(both(
        "one byte too long as a binary message",
        vec![Line::SendRaw(Message::binary(vec![0; MAX_LENGTH + 1]))],
    ));
    run(cases).await;
}

/// The length in a frame's header is enough to refuse it; the server does not wait for the payload.
#[tokio::test]
async fn an_oversized_message_is_refused_before_its_payload_arrives() {
    let app = TestApp::start().await;
    let mut peer = Upgrade::new().open(app.address).await;
    let mut head = vec![0x81, 0xff];
    head.extend((1_u64 << 40).to_be_bytes());
    head.extend([1, 2, 3, 4]);
    peer.send_bytes(&head).await;
    assert_eq!(peer.next().await, Received::Closed(1009));
    // The server does not read what follows either: it disconnects after a moment.
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let ending = async {
        loop {
            tokio::select! {
                got = peer.next() => return got,
                _ = ticks.tick() => app.clock.advance(Duration::from_secs(1)),
            }
        }
    };
    assert_eq!(wait::within("the server disconnects", ending).await, Received::Disconnected);
}

#[tokio::test]
async fn a_long_ping_gets_a_pong_with_the_same_payload() {
    let payload = json!({"x": "y".repeat(MAX_LENGTH - 100)});
    let ping: Value = json!({"type": "ping", "payload": payload});
    let pong = json!({"type": "pong", "payload": payload});
    run(vec![case("a long ping", [vec![Line::Send(ping), Line::Expect(pong)], expect_nothing()])]).await;
}
