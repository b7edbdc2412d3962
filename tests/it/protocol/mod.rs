//! The rules of `graphql-transport-ws` (github.com/enisdenjo/graphql-ws, PROTOCOL.md), over real sockets: scripts of
//! the client's messages and the expected responses.
//!
//! [`connection`], [`operations`], and [`invalid`] are tables of scripts. Other rules have their own tests: [`upgrade`]
//! for the HTTP request, [`endings`] for closes by the server, [`bounds`] for limits, [`backlog`] for peers that do not
//! read.

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

/// Every message of the protocol in each direction. The server may send `ping`, but never does; it accepts unsolicited
/// `pong` messages nevertheless.
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

/// Every close code of PROTOCOL.md. 1009, 1012, and 1013 are tested in [`bounds`] and [`endings`].
const CODES: [u16; 7] = [4400, 4401, 4403, 4406, 4408, 4409, 4429];

#[test]
fn every_message_in_each_direction_and_every_close_code_has_a_case() {
    let tables = [connection::cases(), operations::cases(), invalid::cases()];
    let cases: Vec<_> = tables.into_iter().flatten().collect();
    let (mut messages, mut codes) = (BTreeSet::new(), BTreeSet::new());
    let kind = |message: &Value| message["type"].as_str().unwrap_or_default().to_owned();
    for case in &cases {
        let refused = matches!(case.lines.last(), Some(Line::ExpectClose(4400)));
        for line in &case.lines {
            match line {
                // Messages that are rejected do not count as messages of the protocol.
                Line::Send(message) if !refused => {
                    messages.insert((kind(message), TO_SERVER));
                }
                Line::Expect(message) => {
                    messages.insert((kind(message), TO_CLIENT));
                }
                Line::ExpectError(..) => {
                    messages.insert(("error".to_owned(), TO_CLIENT));
                }
                Line::ExpectClose(code) if *code >= 4000 => {
                    codes.insert(*code);
                }
                _ => {}
            }
        }
    }
    let expected = MESSAGES.map(|(kind, direction)| (kind.to_owned(), direction));
    assert_eq!(messages, BTreeSet::from(expected));
    assert_eq!(codes, BTreeSet::from(CODES));
    let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "case names are unique");
}
