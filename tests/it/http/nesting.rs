//! Documents that nest without end. What overflows a stack takes the whole process with it, so
//! these go to the real binary: then it is a failed test, and not the end of all tests. As an
//! operator starts it, it also tells nothing of its schema.

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, read};
use crate::support::directory::AGENCIES;
use crate::support::process::{Server, apply, run};
use crate::support::{client, log};

struct Real {
    server: Server,
    http: Client,
    token: String,
    _folder: TempDir,
}

impl Real {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        apply(folder.path(), AGENCIES);
        let token = run(folder.path(), &["token", "--agency", "acme", "--user", "ana"], "");
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        Self { server: Server::start(folder.path()).await, http: client(), token, _folder: folder }
    }

    /// The answer, unless the server is gone.
    async fn ask(&self, body: &Value) -> Result<Answer, String> {
        let url = format!("http://{}/graphql", self.server.address);
        let answer = self.http.post(&url).bearer_auth(&self.token).json(body).send().await;
        Ok(read(answer.map_err(|error| format!("no answer: {error}"))?).await)
    }
}

fn nested(open: &str, inside: &str, close: &str, depth: usize) -> String {
    // As deep as a body may be long.
    let depth = depth.min(240_000 / (open.len() + close.len()).max(1));
    format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
}

fn documents(depth: usize) -> Vec<(&'static str, String)> {
    let n = |open, inside, close| nested(open, inside, close, depth);
    vec![
        ("braces", n("{", "", "")),
        ("closed braces", n("{", "", "}")),
        ("fields", n("{ a ", "", "}")),
        ("fields of ours", format!("{{ contacts {{ nodes {} }} }}", n("{ threads { contact ", "{ id }", "} }"))),
        ("inline fragments", format!("{{ {} }}", n("... { ", "viewer { key } ", "} "))),
        ("lists", format!("{{ viewer(x: {}) {{ key }} }}", n("[", "", "]"))),
        ("lists in an argument of ours", format!("{{ node(id: {}) {{ id }} }}", n("[", "", "]"))),
        ("lists that do not end", format!("{{ node(id: {}", n("[", "", ""))),
        ("objects", format!("{{ viewer(x: {}) {{ key }} }}", n("{a:", "1", "}"))),
        (
            "objects in an argument of ours",
            format!("{{ threads(filter: {}) {{ totalCount }} }}", n("{status:", "1", "}")),
        ),
        ("objects that do not end", format!("{{ threads(filter: {}", n("{a:", "", ""))),
        ("lists and objects", format!("{{ viewer(x: {}) {{ key }} }}", n("[{a:", "1", "}]"))),
        ("parentheses", format!("{{ viewer{} {{ key }} }}", n("(", "", ")"))),
        ("parentheses that do not end", format!("{{ viewer {}", n("(", "", ""))),
        ("types", format!("query($a: {}) {{ viewer {{ key }} }}", n("[", "Int", "]"))),
        ("types that are used", format!("query($id: {}) {{ node(id: $id) {{ id }} }}", n("[", "ID", "]"))),
        ("a default", format!("query($a: Int = {}) {{ threads(first: $a) {{ totalCount }} }}", n("[", "", "]"))),
        ("an argument of a directive", format!("{{ viewer @include(if: {}) {{ key }} }}", n("[", "", "]"))),
        ("an argument of no directive", format!("{{ viewer @x(a: {}) {{ key }} }}", n("{a:", "1", "}"))),
    ]
}

#[tokio::test]
async fn a_document_that_nests_without_end_is_refused() {
    let mut real = Real::start().await;
    let mut wrong = Vec::new();
    for depth in [40, 100, 200, 300, 400, 600, 800, 1_000, 10_000, 100_000] {
        for (what, query) in documents(depth) {
            match real.ask(&json!({"query": query})).await {
                Ok(answer) if answer.body["data"].is_null() && !answer.code().is_empty() => {}
                Ok(answer) => wrong.push(format!("{depth} {what}: {:.200}", answer.body.to_string())),
                Err(error) => {
                    wrong.push(format!("{depth} {what}: {error}"));
                    real = Real::start().await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn variables_that_nest_are_read_or_refused() {
    let real = Real::start().await;
    let mut wrong = Vec::new();
    for depth in [30, 60, 100, 120, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let value = nested(open, "1", close, depth);
            for query in [
                "query($x: ID!) { node(id: $x) { id } }",
                "query($x: ThreadFilter) { threads(filter: $x) { totalCount } }",
            ] {
                let body = format!("{{\"query\":\"{query}\",\"variables\":{{\"x\":{value}}}}}");
                let url = format!("http://{}/graphql", real.server.address);
                let request = real.http.post(url).bearer_auth(&real.token).header("content-type", "application/json");
                match request.body(body).send().await {
                    Ok(answer) if answer.status().as_u16() <= 400 => {}
                    Ok(answer) => wrong.push(format!("{depth} {open} {}", answer.status())),
                    Err(error) => wrong.push(format!("{depth} {open} {error}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_server_tells_nothing_of_its_schema_unless_told_to() {
    let real = Real::start().await;
    for query in [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"User\") { name fields { name } } }",
        "query { viewer { key } __schema { types { name } } }",
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "mutation { __schema { types { name } } }",
    ] {
        let answer = real.ask(&json!({"query": query})).await.unwrap();
        let told = &answer.body["data"];
        assert!(told.is_null() || told["__schema"].is_null() && told["__type"].is_null(), "{query}: {told}");
    }
    // What is misspelt is not corrected.
    for query in
        ["{ viewr { key } }", "{ viewer { kay } }", "{ node(idd: 1) { id } }", "{ viewer { ... on Usr { key } } }"]
    {
        let answer = real.ask(&json!({"query": query})).await.unwrap();
        let text = answer.body["errors"].to_string();
        assert!(!text.to_ascii_lowercase().contains("did you mean"), "{query}: {text}");
        assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{query}: {text}");
    }
    // A type's own name is no secret: clients keep what they know by it.
    let answer = real.ask(&json!({"query": "{ __typename viewer { __typename } }"})).await.unwrap();
    assert_eq!(answer.body, json!({"data": {"__typename": "Query", "viewer": {"__typename": "User"}}}));
    assert_eq!(log::panics(), Vec::<String>::new());
}
