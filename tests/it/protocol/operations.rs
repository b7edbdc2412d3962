//! Operations: results, errors, ends, and ids.

use serde_json::json;

use super::script::{
    Case, Line, WHO, case, closed, complete, event, follow, follow_after, hear, hear_who, introduced, next, nothing,
    run, stop, subscribe, subscribe_with, text,
};

const AVAILABLE: &str = "mutation { setAvailability(input: {availability: AVAILABLE}) { userErrors { code } } }";
const TWO: &str = "query Who { viewer { key } } query Where { agency { key } }";
const TEXTS: &str = "subscription { inboundMessage { message { body } } }";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = results();
    cases.extend(payloads());
    cases.extend(errors());
    cases.extend(cursors());
    cases.extend(ends());
    cases.extend(ids());
    cases
}

fn refused(id: &'static str, code: &'static str) -> Vec<Line> {
    vec![Line::HearError(id, code)]
}

fn results() -> Vec<Case> {
    vec![
        case("a query: its result, then its end", [introduced(), subscribe("1", WHO), hear_who("1"), nothing()]),
        case(
            "a mutation: its result, then its end",
            [
                introduced(),
                subscribe("1", AVAILABLE),
                hear(next("1", json!({"setAvailability": {"userErrors": []}}))),
                hear(complete("1")),
                nothing(),
            ],
        ),
        case(
            "a subscription: results over time, and no end",
            [
                introduced(),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
                nothing(),
                text("two"),
                hear(event("1", "two")),
                text("three"),
                hear(event("1", "three")),
                nothing(),
            ],
        ),
        case(
            "several operations at a time, each under its own id",
            [
                introduced(),
                follow("a"),
                follow("b"),
                subscribe("c", WHO),
                hear_who("c"),
                text("one"),
                vec![Line::HearAll(vec![event("a", "one"), event("b", "one")])],
                subscribe("d", WHO),
                hear_who("d"),
                text("two"),
                vec![Line::HearAll(vec![event("b", "two"), event("a", "two")])],
                nothing(),
            ],
        ),
        case(
            "an error of execution is part of the result",
            [
                introduced(),
                subscribe("1", "{ threads(first: 1000) { totalCount } }"),
                vec![Line::HearFailure("1", "BAD_USER_INPUT")],
                hear(complete("1")),
                nothing(),
            ],
        ),
    ]
}

fn payloads() -> Vec<Case> {
    let who = |payload| [introduced(), subscribe_with("1", payload), hear_who("1")];
    let node = "query($id: ID!) { node(id: $id) { id } }";
    vec![
        case("an operation is chosen by its name", who(json!({"query": TWO, "operationName": "Who"}))),
        case(
            "another is chosen by its own",
            [
                introduced(),
                subscribe_with("1", json!({"query": TWO, "operationName": "Where"})),
                hear(next("1", json!({"agency": {"key": "acme"}}))),
                hear(complete("1")),
            ],
        ),
        case(
            "the only operation may be named",
            who(json!({"query": "query Who { viewer { key } }", "operationName": "Who"})),
        ),
        case(
            "what may be null may be null",
            who(json!({"query": WHO, "operationName": null, "variables": null, "extensions": null})),
        ),
        case(
            "extensions are taken, and passed over",
            who(json!({"query": WHO, "extensions": {"persistedQuery": {"version": 1}}})),
        ),
        case("variables may be empty", who(json!({"query": WHO, "variables": {}, "extensions": {}}))),
        case("variables that are not used do no harm", who(json!({"query": WHO, "variables": {"x": [1]}}))),
        case(
            "variables reach the operation",
            [
                introduced(),
                subscribe_with("1", json!({"query": node, "variables": {"id": "thr_nothing"}})),
                hear(next("1", json!({"node": null}))),
                hear(complete("1")),
            ],
        ),
    ]
}

fn errors() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, code, payload) in [
        ("does not parse", "GRAPHQL_PARSE_FAILED", json!({"query": "{ viewer { key }"})),
        ("is empty", "GRAPHQL_PARSE_FAILED", json!({"query": ""})),
        ("asks for what is not there", "GRAPHQL_VALIDATION_FAILED", json!({"query": "{ viewer { shoeSize } }"})),
        ("subscribes to what is not there", "GRAPHQL_VALIDATION_FAILED", json!({"query": "subscription { weather }"})),
        (
            "subscribes to two things",
            "GRAPHQL_VALIDATION_FAILED",
            json!({"query": "subscription { a: inboundMessage { cursor } b: inboundMessage { cursor } }"}),
        ),
        ("does not say which", "GRAPHQL_VALIDATION_FAILED", json!({"query": TWO})),
        ("names what is not there", "GRAPHQL_VALIDATION_FAILED", json!({"query": TWO, "operationName": "Why"})),
        ("is too much", "QUERY_TOO_COMPLEX", json!({"query": format!("{{ viewer {{ {} }} }}", "key ".repeat(5_000))})),
    ] {
        // After the error the operation is over: no end follows, and its id is free.
        cases.push(case(
            format!("a document that {what} is an error of its operation alone"),
            [
                introduced(),
                subscribe_with("1", payload),
                refused("1", code),
                nothing(),
                stop("1"),
                nothing(),
                subscribe("1", WHO),
                hear_who("1"),
            ],
        ));
    }
    cases.push(case(
        "an error leaves the other operations alone",
        [
            introduced(),
            follow("1"),
            subscribe("2", "{"),
            refused("2", "GRAPHQL_PARSE_FAILED"),
            text("one"),
            hear(event("1", "one")),
        ],
    ));
    cases
}

fn cursors() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, code, cursor) in [
        ("ahead of the log", "CURSOR_EXPIRED", "$AHEAD"),
        ("of a log that is no more", "CURSOR_EXPIRED", "$ANEW"),
        ("of another agency", "BAD_USER_INPUT", "$OTHERS"),
        ("that is none", "BAD_USER_INPUT", "42"),
        ("that is empty", "BAD_USER_INPUT", ""),
    ] {
        cases.push(case(
            format!("a cursor {what}"),
            [
                introduced(),
                follow_after("1", cursor),
                refused("1", code),
                nothing(),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
            ],
        ));
    }
    cases
}

fn ends() -> Vec<Case> {
    vec![
        case(
            "the client ends a subscription: nothing more of it comes",
            [
                introduced(),
                follow("1"),
                follow("2"),
                text("one"),
                vec![Line::HearAll(vec![event("1", "one"), event("2", "one")])],
                stop("1"),
                // What was on its way already may still come; the pong shows that the end was read.
                nothing(),
                text("two"),
                hear(event("2", "two")),
                text("three"),
                hear(event("2", "three")),
                nothing(),
            ],
        ),
        case(
            "the client ends a subscription at once",
            [
                introduced(),
                follow("2"),
                follow("1"),
                stop("1"),
                nothing(),
                text("one"),
                hear(event("2", "one")),
                nothing(),
            ],
        ),
        case("an end of what never was", [introduced(), stop("1"), stop("\u{1f4ac}"), nothing()]),
        case(
            "an end of what has ended",
            [introduced(), subscribe("1", WHO), hear_who("1"), stop("1"), nothing(), stop("1"), nothing()],
        ),
        case(
            "an end that is said twice",
            [
                introduced(),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
                stop("1"),
                stop("1"),
                nothing(),
                subscribe("2", WHO),
                hear_who("2"),
            ],
        ),
    ]
}

fn ids() -> Vec<Case> {
    let long = "i".repeat(200);
    let mut cases = vec![
        case(
            "an id of a subscription under way is taken",
            [introduced(), follow("1"), text("one"), hear(event("1", "one")), follow("1"), closed(4409)],
        ),
        case(
            "whatever kind of operation asks for it",
            [introduced(), follow("1"), text("one"), hear(event("1", "one")), subscribe("1", WHO), closed(4409)],
        ),
        case(
            "and though that would not even parse",
            [introduced(), follow("1"), text("one"), hear(event("1", "one")), subscribe("1", "{"), closed(4409)],
        ),
        case("it is taken at once", [introduced(), subscribe("1", TEXTS), subscribe("1", TEXTS), closed(4409)]),
        case(
            "an id is free when the server has ended it",
            [
                introduced(),
                subscribe("1", WHO),
                hear_who("1"),
                subscribe("1", WHO),
                hear_who("1"),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
            ],
        ),
        case(
            "an id is free when the client has ended it",
            [
                introduced(),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
                stop("1"),
                subscribe("1", WHO),
                hear_who("1"),
                text("two"),
                follow("1"),
                vec![Line::Hear(event("1", "one")), Line::Hear(event("1", "two"))],
                nothing(),
            ],
        ),
        case(
            "an id is free when the client has ended it at once, many times",
            [
                introduced(),
                (0..40).flat_map(|_| [follow("1"), stop("1")].concat()).collect(),
                subscribe("1", WHO),
                hear_who("1"),
            ],
        ),
        case(
            "ids are told apart by every character",
            [introduced(), follow("1"), subscribe("1 ", WHO), hear_who("1 "), subscribe("01", WHO), hear_who("01")],
        ),
    ];
    for id in ["1", " ", "\u{1f4ac} \"quoted\" \\ \n", "null", "7f1d8a52-6e2c-4a7e-9d56-1f7a4f0c3b11", long.as_str()] {
        cases.push(case(format!("an id may be {id:.12?}"), [introduced(), subscribe(id, WHO), hear_who(id)]));
    }
    cases
}

#[tokio::test]
async fn operations_run_as_the_protocol_says() {
    run(cases()).await;
}
