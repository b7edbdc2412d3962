//! How much one socket may ask for.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::peer::{Got, Upgrade};
use super::script::{
    Case, Line, WHO, case, closed, event, follow, hear_who, introduced, nothing, run, stop, subscribe, text,
};
use crate::support::{TestApp, wait};

const MOST_OPERATIONS: usize = 32;
const LONGEST: usize = 256 * 1024;

/// As many subscriptions as there may be, under the ids `0`, `1` …
fn full() -> Vec<Line> {
    (0..MOST_OPERATIONS).flat_map(|id| follow(&id.to_string())).collect()
}

fn too_many(id: &'static str) -> Vec<Line> {
    vec![Line::HearError(id, "RATE_LIMITED")]
}

#[tokio::test]
async fn thirty_two_operations_are_under_way_at_most() {
    let events = |body| vec![Line::HearAll((0..MOST_OPERATIONS).map(|id| event(&id.to_string(), body)).collect())];
    run(vec![
        case(
            "one too many is refused, and the others go on",
            [
                introduced(),
                full(),
                subscribe("x", WHO),
                too_many("x"),
                follow("y"),
                too_many("y"),
                nothing(),
                text("one"),
                events("one"),
                nothing(),
            ],
        ),
        case(
            "there is room again when one has ended",
            [
                introduced(),
                full(),
                subscribe("x", WHO),
                too_many("x"),
                stop("0"),
                subscribe("x", WHO),
                hear_who("x"),
                subscribe("0", WHO),
                hear_who("0"),
                follow("0"),
                subscribe("x", WHO),
                too_many("x"),
            ],
        ),
        case("an id that is taken is taken all the same", [introduced(), full(), subscribe("31", WHO), closed(4409)]),
        case(
            "what was refused or has ended takes no room",
            [introduced(), (0..100).flat_map(|_| [subscribe("x", WHO), hear_who("x")].concat()).collect()],
        ),
    ])
    .await;
}

/// A query of so many bytes.
fn query_of(length: usize) -> String {
    let bare = json!({"type": "subscribe", "id": "1", "payload": {"query": WHO}}).to_string();
    bare.replace("{ viewer", &format!("{{{}viewer", " ".repeat(length - bare.len() + 1)))
}

fn pieces(text: &str, size: usize) -> Vec<Line> {
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
    let last = pieces.len() - 1;
    let frame = |(n, piece): (usize, &&[u8])| {
        let kind = if n == 0 { Data::Text } else { Data::Continue };
        Line::SayRaw(Message::Frame(Frame::message(piece.to_vec(), OpCode::Data(kind), n == last)))
    };
    pieces.iter().enumerate().map(frame).collect()
}

fn whole(text: String) -> Vec<Line> {
    vec![Line::SayRaw(Message::text(text))]
}

#[tokio::test]
async fn a_message_has_256_kib_at_most() {
    assert_eq!(query_of(LONGEST).len(), LONGEST);
    let both = |what: &str, lines: Vec<Line>| -> [Case; 2] {
        let begun = case(what, [introduced(), lines.clone(), closed(1009)]);
        [case(format!("{what}, before the introduction"), [lines, closed(1009)]), begun]
    };
    let mut cases = vec![
        case("the longest message", [introduced(), whole(query_of(LONGEST)), hear_who("1"), nothing()]),
        case("the longest in pieces", [introduced(), pieces(&query_of(LONGEST), 50_000), hear_who("1"), nothing()]),
        case("a message letter by letter", [introduced(), pieces(&query_of(200), 1), hear_who("1"), nothing()]),
    ];
    cases.extend(both("a byte more", whole(query_of(LONGEST + 1))));
    cases.extend(both("a byte more in pieces", pieces(&query_of(LONGEST + 1), 50_000)));
    cases.extend(both("a byte more of bytes", vec![Line::SayRaw(Message::binary(vec![0; LONGEST + 1]))]));
    run(cases).await;
}

/// The head of a frame says how long it is: what is too long is not waited for.
#[tokio::test]
async fn a_message_that_will_be_too_long_is_refused_before_it_has_come() {
    let app = TestApp::start().await;
    let mut peer = Upgrade::new().open(app.address).await;
    let mut head = vec![0x81, 0xff];
    head.extend((1_u64 << 40).to_be_bytes());
    head.extend([1, 2, 3, 4]);
    peer.say_bytes(&head).await;
    assert_eq!(peer.next().await, Got::Closed(1009));
    // Nor is what follows it read: the connection ends in a moment.
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let ending = async {
        loop {
            tokio::select! {
                got = peer.next() => return got,
                _ = ticks.tick() => app.clock.advance(Duration::from_secs(1)),
            }
        }
    };
    assert_eq!(wait::within("the connection ends", ending).await, Got::Cut);
}

#[tokio::test]
async fn a_long_ping_has_a_long_pong() {
    let payload = json!({"x": "y".repeat(LONGEST - 100)});
    let ping: Value = json!({"type": "ping", "payload": payload});
    let pong = json!({"type": "pong", "payload": payload});
    run(vec![case("a long ping", [vec![Line::Say(ping), Line::Hear(pong)], nothing()])]).await;
}
