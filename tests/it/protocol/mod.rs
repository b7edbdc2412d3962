//! `graphql-transport-ws`, rule by rule (github.com/enisdenjo/graphql-ws, PROTOCOL.md), over real
//! sockets: what a client says, and what must come.
//!
//! [`connection`], [`operations`] and [`invalid`] are tables of scripts. What no script can tell has
//! a test of its own: [`upgrade`] for the HTTP request before it, [`endings`] for what ends a socket
//! from our side, [`bounds`] for how much one may ask, [`backlog`] for who does not read.

mod backlog;
mod bounds;
mod connection;
mod endings;
mod invalid;
mod operations;
mod peer;
mod script;
mod upgrade;

use std::collections::BTreeSet;

use script::Line;
use serde_json::Value;

const TO_SERVER: &str = "to the server";
const TO_CLIENT: &str = "to the client";

/// Every message of the protocol and the way that it goes. The server sends no `ping`: it may, and
/// does not. What it would be answered with, it hears all the same.
const MESSAGES: [(&str, &str); 10] = [
    ("connection_init", TO_SERVER),
    ("connection_ack", TO_CLIENT),
    ("ping", TO_SERVER),
    ("pong", TO_SERVER),
    ("pong", TO_CLIENT),
    ("subscribe", TO_SERVER),
    ("next", TO_CLIENT),
    ("error", TO_CLIENT),
    ("complete", TO_SERVER),
    ("complete", TO_CLIENT),
];

/// Every code that PROTOCOL.md closes a socket with. 1009, 1012 and 1013 are ours: [`bounds`],
/// [`endings`].
const CODES: [u16; 7] = [4400, 4401, 4403, 4406, 4408, 4409, 4429];

#[test]
fn every_message_in_every_direction_and_every_closing_code_has_a_case() {
    let tables = [connection::cases(), operations::cases(), invalid::cases()];
    let cases: Vec<_> = tables.into_iter().flatten().collect();
    let (mut messages, mut codes) = (BTreeSet::new(), BTreeSet::new());
    let kind = |message: &Value| message["type"].as_str().unwrap_or_default().to_owned();
    for case in &cases {
        let refused = matches!(case.lines.last(), Some(Line::Closed(4400)));
        for line in &case.lines {
            match line {
                // What is refused is no message of the protocol, whatever it calls itself.
                Line::Say(message) if !refused => {
                    messages.insert((kind(message), TO_SERVER));
                }
                Line::Hear(message) => {
                    messages.insert((kind(message), TO_CLIENT));
                }
                Line::HearError(..) => {
                    messages.insert(("error".to_owned(), TO_CLIENT));
                }
                Line::Closed(code) if *code >= 4000 => {
                    codes.insert(*code);
                }
                _ => {}
            }
        }
    }
    let expected = MESSAGES.map(|(kind, way)| (kind.to_owned(), way));
    assert_eq!(messages, BTreeSet::from(expected));
    assert_eq!(codes, BTreeSet::from(CODES));
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
}
