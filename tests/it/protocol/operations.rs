//! Operations: results, errors, completion, and ids.

use serde_json::json;

use super::script::{
    Case, Line, VIEWER, case, client_complete, complete, connected, event, expect_close, expect_message,
    expect_nothing, expect_viewer, follow, follow_after, next, run, subscribe, subscribe_with, text,
};

const AVAILABLE: &str = include_str!("../documents/protocol_operations_available.graphql");
const TWO: &str = include_str!("../documents/protocol_operations_two.graphql");
const TEXTS: &str = include_str!("../documents/protocol_operations_texts.graphql");

pub(super) fn cases() -> Vec<Case> {
    let mut cases = results();
    cases.extend(payloads());
    cases.extend(errors());
    cases.extend(cursors());
    cases.extend(completion());
    cases.extend(ids());
    cases
}

fn refused(id: &'static str, code: &'static str) -> Vec<Line> {
    vec![Line::ExpectError(id, code)]
}

fn results() -> Vec<Case> {
    vec![
        case(
            "a query: its result, then complete",
            [connected(), subscribe("1", VIEWER), expect_viewer("1"), expect_nothing()],
        ),
        case(
            "a mutation: its result, then complete",
            [
                connected(),
                subscribe("1", AVAILABLE),
                expect_message(next("1", json!({"setAvailability": {"userErrors": []}}))),
                expect_message(complete("1")),
                expect_nothing(),
            ],
        ),
        case(
            "a subscription: results over time, without complete",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                expect_nothing(),
                text("two"),
                expect_message(event("1", "two")),
                text("three"),
                expect_message(event("1", "three")),
                expect_nothing(),
            ],
        ),
        case(
            "several concurrent operations, each under its own id",
            [
                connected(),
                follow("a"),
                follow("b"),
                subscribe("c", VIEWER),
                expect_viewer("c"),
                text("one"),
                vec![Line::ExpectAll(vec![event("a", "one"), event("b", "one")])],
                subscribe("d", VIEWER),
                expect_viewer("d"),
                text("two"),
                vec![Line::ExpectAll(vec![event("b", "two"), event("a", "two")])],
                expect_nothing(),
            ],
        ),
        case(
            "an execution error is part of the result",
            [
                connected(),
                subscribe("1", "{ threads(first: 1000) { totalCount } }"),
                vec![Line::ExpectFailure("1", "BAD_USER_INPUT")],
                expect_message(complete("1")),
                expect_nothing(),
            ],
        ),
    ]
}

fn payloads() -> Vec<Case> {
    let who = |payload| [connected(), subscribe_with("1", payload), expect_viewer("1")];
    let node = "query($id: ID!) { node(id: $id) { id } }";
    vec![
        case("operationName selects an operation", who(json!({"query": TWO, "operationName": "Who"}))),
        case(
            "operationName selects another operation",
            [
                connected(),
                subscribe_with("1", json!({"query": TWO, "operationName": "Where"})),
                expect_message(next("1", json!({"agency": {"key": "acme"}}))),
                expect_message(complete("1")),
            ],
        ),
        case(
            "the only operation may be selected by name",
            who(json!({"query": "query Who { viewer { key } }", "operationName": "Who"})),
        ),
        case(
            "optional members may be null",
            who(json!({"query": VIEWER, "operationName": null, "variables": null, "extensions": null})),
        ),
        case(
            "extensions are accepted and ignored",
            who(json!({"query": VIEWER, "extensions": {"persistedQuery": {"version": 1}}})),
        ),
        case("variables may be empty", who(json!({"query": VIEWER, "variables": {}, "extensions": {}}))),
        case("unused variables are ignored", who(json!({"query": VIEWER, "variables": {"x": [1]}}))),
        case(
            "variables reach the operation",
            [
                connected(),
                subscribe_with("1", json!({"query": node, "variables": {"id": "thr_nothing"}})),
                expect_message(next("1", json!({"node": null}))),
                expect_message(complete("1")),
            ],
        ),
    ]
}

fn errors() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, code, payload) in [
        ("does not parse", "GRAPHQL_PARSE_FAILED", json!({"query": "{ viewer { key }"})),
        ("is empty", "GRAPHQL_PARSE_FAILED", json!({"query": ""})),
        ("selects an unknown field", "GRAPHQL_VALIDATION_FAILED", json!({"query": "{ viewer { shoeSize } }"})),
        ("subscribes to an unknown field", "GRAPHQL_VALIDATION_FAILED", json!({"query": "subscription { weather }"})),
        (
            "subscribes to two fields",
            "GRAPHQL_VALIDATION_FAILED",
            json!({"query": "subscription { a: inboundMessage { cursor } b: inboundMessage { cursor } }"}),
        ),
        ("does not select an operation", "GRAPHQL_VALIDATION_FAILED", json!({"query": TWO})),
        ("selects an unknown operation", "GRAPHQL_VALIDATION_FAILED", json!({"query": TWO, "operationName": "Why"})),
        (
            "is too complex",
            "QUERY_TOO_COMPLEX",
            json!({"query": format!("{{ viewer {{ {} }} }}", "key ".repeat(5_000))}),
        ),
    ] {
        // The error ends the operation: no complete follows, and the id is free.
        cases.push(case(
            format!("a document that {what} ends only its own operation"),
            [
                connected(),
                subscribe_with("1", payload),
                refused("1", code),
                expect_nothing(),
                client_complete("1"),
                expect_nothing(),
                subscribe("1", VIEWER),
                expect_viewer("1"),
            ],
        ));
    }
    cases.push(case(
        "an error does not affect other operations",
        [
            connected(),
            follow("1"),
            subscribe("2", "{"),
            refused("2", "GRAPHQL_PARSE_FAILED"),
            text("one"),
            expect_message(event("1", "one")),
        ],
    ));
    cases
}

fn cursors() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, code, cursor) in [
        ("ahead of the log", "CURSOR_EXPIRED", "$AHEAD"),
        ("of a former log", "CURSOR_EXPIRED", "$ANEW"),
        ("of another agency", "BAD_USER_INPUT", "$OTHERS"),
        ("that is not a cursor", "BAD_USER_INPUT", "42"),
        ("that is empty", "BAD_USER_INPUT", ""),
    ] {
        cases.push(case(
            format!("a cursor {what}"),
            [
                connected(),
                follow_after("1", cursor),
                refused("1", code),
                expect_nothing(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
            ],
        ));
    }
    cases
}

fn completion() -> Vec<Case> {
    vec![
        case(
            "the client ends a subscription: it delivers nothing more",
            [
                connected(),
                follow("1"),
                follow("2"),
                text("one"),
                vec![Line::ExpectAll(vec![event("1", "one"), event("2", "one")])],
                client_complete("1"),
                // Messages already in flight may still arrive; the pong shows that the server has read complete.
                expect_nothing(),
                text("two"),
                expect_message(event("2", "two")),
                text("three"),
                expect_message(event("2", "three")),
                expect_nothing(),
            ],
        ),
        case(
            "the client ends a subscription immediately",
            [
                connected(),
                follow("2"),
                follow("1"),
                client_complete("1"),
                expect_nothing(),
                text("one"),
                expect_message(event("2", "one")),
                expect_nothing(),
            ],
        ),
        case(
            "complete with an unknown id",
            [connected(), client_complete("1"), client_complete("\u{1f4ac}"), expect_nothing()],
        ),
        case(
            "complete after the operation has ended",
            [
                connected(),
                subscribe("1", VIEWER),
                expect_viewer("1"),
                client_complete("1"),
                expect_nothing(),
                client_complete("1"),
                expect_nothing(),
            ],
        ),
        case(
            "complete sent twice",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                client_complete("1"),
                client_complete("1"),
                expect_nothing(),
                subscribe("2", VIEWER),
                expect_viewer("2"),
            ],
        ),
    ]
}

fn ids() -> Vec<Case> {
    let long = "i".repeat(200);
    let mut cases = vec![
        case(
            "the id of a running subscription is in use",
            [connected(), follow("1"), text("one"), expect_message(event("1", "one")), follow("1"), expect_close(4409)],
        ),
        case(
            "the id of a running subscription, reused by a query",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                subscribe("1", VIEWER),
                expect_close(4409),
            ],
        ),
        case(
            "the id of a running subscription, reused by an invalid document",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                subscribe("1", "{"),
                expect_close(4409),
            ],
        ),
        case(
            "an id is in use immediately",
            [connected(), subscribe("1", TEXTS), subscribe("1", TEXTS), expect_close(4409)],
        ),
        case(
            "an id is free after the server has completed it",
            [
                connected(),
                subscribe("1", VIEWER),
                expect_viewer("1"),
                subscribe("1", VIEWER),
                expect_viewer("1"),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
            ],
        ),
        case(
            "an id is free after the client has completed it",
            [
                connected(),
                follow("1"),
                text("one"),
                expect_message(event("1", "one")),
                client_complete("1"),
                subscribe("1", VIEWER),
                expect_viewer("1"),
                text("two"),
                follow("1"),
                vec![Line::Expect(event("1", "one")), Line::Expect(event("1", "two"))],
                expect_nothing(),
            ],
        ),
        case(
            "an id is free after the client has immediately completed it, many times",
            [
                connected(),
                (0..40).flat_map(|_| [follow("1"), client_complete("1")].concat()).collect(),
                subscribe("1", VIEWER),
                expect_viewer("1"),
            ],
        ),
        case(
            "ids are compared exactly",
            [
                connected(),
                follow("1"),
                subscribe("1 ", VIEWER),
                expect_viewer("1 "),
                subscribe("01", VIEWER),
                expect_viewer("01"),
            ],
        ),
    ];
    for id in ["1", " ", "\u{1f4ac} \"quoted\" \\ \n", "null", "7f1d8a52-6e2c-4a7e-9d56-1f7a4f0c3b11", long.as_str()] {
        cases.push(case(format!("an id may be {id:.12?}"), [connected(), subscribe(id, VIEWER), expect_viewer(id)]));
    }
    cases
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn operations_follow_the_protocol() {
    run(cases()).await;
}
