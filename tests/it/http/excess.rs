//! Documents that are too large or too complex are refused before execution, and at low cost.

use serde_json::json;

use super::{GRAPHQL_RESPONSE, JSON, VIEWER, ask, query};
use crate::support::{TestApp, log};

/// The maximum length of a response to a refused request: that of a request.
const MAX_LENGTH: usize = 256 * 1024;

const COMPLEX: &[&str] = &["QUERY_TOO_COMPLEX"];
/// Other errors of the document may be found before its complexity.
const ANY: &[&str] = &["QUERY_TOO_COMPLEX", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"];

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

fn bomb(levels: usize, leaf: &str) -> String {
    let level = |n| format!(" fragment F{n} on Query {{ ...F{m} ...F{m} }}", m = n + 1);
    format!("{} fragment F{levels} on Query {{ {leaf} }}", many(levels, level))
}

fn documents() -> Vec<(&'static str, String, &'static [&'static str])> {
    let directives = "@include(if: true) ".repeat(10_000);
    let unknown = "@a ".repeat(50_000);
    vec![
        ("5,000 aliases", format!("{{ {} }}", many(5_000, |n| format!("a{n}: viewer {{ key }} "))), COMPLEX),
        ("5,000 aliases of a leaf", format!("{{ viewer {{ {} }} }}", many(5_000, |n| format!("a{n}: key "))), COMPLEX),
        ("101 aliases", format!("{{ viewer {{ {} }} }}", many(101, |n| format!("a{n}: key "))), COMPLEX),
        ("60,000 fields", format!("{{ viewer {{ {} }} }}", "key ".repeat(60_000)), COMPLEX),
        ("1,900 spreads", format!("{{ {} }} fragment F on Query {{ viewer {{ key }} }}", "...F ".repeat(1_900)), COMPLEX),
        ("a fragment bomb", format!("{{ ...F0 }}{}", bomb(24, "viewer { key }")), COMPLEX),
        ("a deep fragment bomb", format!("{{ ...F0 }}{}", bomb(2_000, "viewer { key }")), COMPLEX),
        ("a bomb in a mutation", format!("mutation {{ ...F0 }}{}", bomb(24, "a")).replace("on Query", "on Mutation"), COMPLEX),
        ("an unused fragment bomb", format!("{{ viewer {{ key }} }}{}", bomb(60, "viewer { key }")), ANY),
        ("a cycle", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(), ANY),
        ("an unused cycle", "{ viewer { key } } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(), ANY),
        ("directives on a field", format!("{{ viewer {{ key {directives} }} }}"), COMPLEX),
        ("directives on an operation", format!("query {unknown} {{ viewer {{ key }} }}"), ANY),
        ("directives on a fragment", format!("{{ ...F }} fragment F on Query {unknown} {{ viewer {{ key }} }}"), ANY),
        ("directives on a spread", format!("{{ ...F {directives} }} fragment F on Query {{ viewer {{ key }} }}"), ANY),
        ("directives on a variable", format!("query($a: Int {unknown}) {{ viewer {{ key }} }}"), ANY),
        ("an unused wide fragment", format!("{{ viewer {{ key }} }} fragment F on Query {{ {} }}", "viewer { key } ".repeat(15_000)), ANY),
        ("6,000 unused fragments", format!("{{ viewer {{ key }} }} {}", many(6_000, |n| format!("fragment F{n} on Query {{ viewer {{ key }} }} "))), ANY),
        ("7,000 operations", many(7_000, |n| format!("query Q{n} {{ viewer {{ key }} }} ")), ANY),
        ("20,000 variables", format!("query({}) {{ viewer {{ key }} }}", many(20_000, |n| format!("$v{n}: Int "))), ANY),
        ("a variable 30,000 times", format!("query({}) {{ viewer {{ key }} }}", "$v: Int ".repeat(30_000)), ANY),
        ("20,000 arguments", format!("{{ node({}) {{ id }} }}", many(20_000, |n| format!("a{n}: 1 "))), ANY),
        ("an argument 40,000 times", format!("{{ node({}) {{ id }} }}", "id: 1 ".repeat(40_000)), ANY),
        ("100,000 numbers", format!("{{ node(id: [{}]) {{ id }} }}", "1 ".repeat(100_000)), ANY),
        ("100,000 members", format!("{{ threads(filter: {{ {} }}) {{ totalCount }} }}", many(20_000, |n| format!("a{n}: 1 "))), ANY),
        ("a number of 200,000 digits", format!("{{ threads(first: {}) {{ totalCount }} }}", "9".repeat(200_000)), ANY),
        ("a name of 200,000 letters", format!("{{ {} }}", "x".repeat(200_000)), ANY),
        ("an argument of 200,000 letters", format!("{{ node({}: 1) {{ id }} }}", "x".repeat(200_000)), ANY),
        ("an unterminated string", format!("{{ node(id: \"{}", "x".repeat(200_000)), ANY),
        ("nothing but quotes", "\"".repeat(100_000), ANY),
        ("pages of pages", "{ threads(first: 100) { nodes { messages(first: 100) { nodes { thread { messages(first: 100) { nodes { id } } } } } } } }".to_owned(), COMPLEX),
        ("16 levels", format!("{{ contacts {{ nodes {{ {} id {} }} }} }}", "threads { contact { ".repeat(7), "} } ".repeat(7)), COMPLEX),
    ]
}

#[tokio::test]
async fn excessive_documents_are_refused() {
    let app = TestApp::start().await;
    // Loads into memory everything that a request needs.
    query(&app, VIEWER).await;
    let mut wrong = Vec::new();
    for (what, document, codes) in documents() {
        let before = app.services().database.statements();
        let answer = query(&app, &document).await;
        let asked = app.services().database.statements() - before;
        if answer.has_data() || !codes.contains(&answer.code()) {
            wrong.push(format!("{what}: {:.300}", answer.body.to_string()));
        }
        if answer.length > MAX_LENGTH {
            wrong.push(format!("{what}: {} bytes in the response", answer.length));
        }
        if asked > 0 {
            wrong.push(format!("{what}: {asked} statements were executed"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(log::panics(), Vec::<String>::new());
}

#[tokio::test]
async fn documents_just_within_the_limits_are_executed() {
    let app = TestApp::start().await;
    for document in [
        format!("{{ viewer {{ {} }} }}", many(100, |n| format!("a{n}: key "))),
        format!("{{ viewer {{ {} }} }}", "key ".repeat(1_900)),
        format!("{} {{ viewer {{ key }} }}", "# a remark\n".repeat(20_000)),
        format!("{} {{ viewer {{ key }} }}", ",".repeat(200_000)),
        format!("{{ node(id: \"{}\") {{ id }} }}", "x".repeat(200_000)),
    ] {
        let answer = query(&app, &document).await;
        assert!(answer.body.get("errors").is_none(), "{document:.60}: {:.300}", answer.body.to_string());
    }
}

#[tokio::test]
async fn an_excessive_document_is_a_400_for_clients_that_accept_graphql_responses() {
    let app = TestApp::start().await;
    let body = json!({"query": format!("{{ viewer {{ {} }} }}", "key ".repeat(5_000))});
    let statuses =
        [ask(&app, JSON, &body).await.status.as_u16(), ask(&app, GRAPHQL_RESPONSE, &body).await.status.as_u16()];
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn a_list_of_twenty_thousand_values_is_refused_and_one_of_a_thousand_is_not() {
    let app = TestApp::start().await;
    let query = "query($status: [ThreadStatus!]) { threads(filter: {status: $status}) { nodes { id } } }";
    let ask = async |count: usize| {
        let status = vec!["CLAIMED"; count];
        app.graphql(&app.token("acme", "ana"), query, json!({"status": status})).await
    };
    assert_eq!(ask(20_000).await["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let long = ask(1_000).await;
    assert_eq!(long, json!({"data": {"threads": {"nodes": []}}}));
}
