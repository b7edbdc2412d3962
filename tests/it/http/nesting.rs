//! Deeply nested documents. A stack overflow aborts the process, so these tests run the real binary. Started as an
//! operator would start it, it also discloses nothing about its schema.

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Answer, read};
use crate::support::directory::AGENCIES;
use crate::support::process::{Server, apply, run};
use crate::support::{client, log};

struct Binary {
    server: Server,
    http: Client,
    token: String,
    _folder: TempDir,
}

impl Binary {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        apply(folder.path(), AGENCIES);
        let token = run(folder.path(), &["token", "--agency", "acme", "--user", "ana"], "");
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        Self { server: Server::start(folder.path()).await, http: client(), token, _folder: folder }
    }

    /// The response, or an error if the server is gone.
    async fn ask(&self, body: &Value) -> Result<Answer, String> {
        let url = format!("http://{}/graphql", self.server.address);
        let answer = self.http.post(&url).bearer_auth(&self.token).json(body).send().await;
        Ok(read(answer.map_err(|error| format!("no response: {error}"))?).await)
    }
}

fn nested(open: &str, inside: &str, close: &str, depth: usize) -> String {
    // Limited by the maximum length of a body.
    let depth = depth.min(240_000 / (open.len() + close.len()).max(1));
    format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
}

fn documents(depth: usize) -> Vec<(&'static str, String)> {
    let n = |open, inside, close| nested(open, inside, close, depth);
    vec![
        ("braces", n("{", "", "")),
        ("closed braces", n("{", "", "}")),
        ("fields", n("{ a ", "", "}")),
        (
            "fields of a known type",
            format!("{{ contacts {{ nodes {} }} }}", n("{ threads { contact ", "{ id }", "} }")),
        ),
        ("inline fragments", format!("{{ {} }}", n("... { ", "viewer { key } ", "} "))),
        ("lists", format!("{{ viewer(x: {}) {{ key }} }}", n("[", "", "]"))),
        ("lists in a known argument", format!("{{ node(id: {}) {{ id }} }}", n("[", "", "]"))),
        ("lists that are never closed", format!("{{ node(id: {}", n("[", "", ""))),
        ("objects", format!("{{ viewer(x: {}) {{ key }} }}", n("{a:", "1", "}"))),
        ("objects in a known argument", format!("{{ threads(filter: {}) {{ totalCount }} }}", n("{status:", "1", "}"))),
        ("objects that are never closed", format!("{{ threads(filter: {}", n("{a:", "", ""))),
        ("lists and objects", format!("{{ viewer(x: {}) {{ key }} }}", n("[{a:", "1", "}]"))),
        ("parentheses", format!("{{ viewer{} {{ key }} }}", n("(", "", ")"))),
        ("parentheses that are never closed", format!("{{ viewer {}", n("(", "", ""))),
        ("types", format!("query($a: {}) {{ viewer {{ key }} }}", n("[", "Int", "]"))),
        ("types that are used", format!("query($id: {}) {{ node(id: $id) {{ id }} }}", n("[", "ID", "]"))),
        ("a default", format!("query($a: Int = {}) {{ threads(first: $a) {{ totalCount }} }}", n("[", "", "]"))),
        ("an argument of a known directive", format!("{{ viewer @include(if: {}) {{ key }} }}", n("[", "", "]"))),
        ("an argument of an unknown directive", format!("{{ viewer @x(a: {}) {{ key }} }}", n("{a:", "1", "}"))),
    ]
}

#[tokio::test]
async fn a_deeply_nested_document_is_refused() {
    let mut binary = Binary::start().await;
    let mut wrong = Vec::new();
    for depth in [40, 100, 200, 300, 400, 600, 800, 1_000, 10_000, 100_000] {
        for (what, query) in documents(depth) {
            match binary.ask(&json!({"query": query})).await {
                Ok(answer) if answer.body["data"].is_null() && !answer.code().is_empty() => {}
                Ok(answer) => wrong.push(format!("{depth} {what}: {:.200}", answer.body.to_string())),
                Err(error) => {
                    wrong.push(format!("{depth} {what}: {error}"));
                    binary = Binary::start().await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn nested_variables_are_read_or_refused() {
    let binary = Binary::start().await;
    let mut wrong = Vec::new();
    for depth in [30, 60, 100, 120, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let value = nested(open, "1", close, depth);
            for query in [
                "query($x: ID!) { node(id: $x) { id } }",
                "query($x: ThreadFilter) { threads(filter: $x) { totalCount } }",
            ] {
                let body = format!("{{\"query\":\"{query}\",\"variables\":{{\"x\":{value}}}}}");
                let url = format!("http://{}/graphql", binary.server.address);
                let request =
                    binary.http.post(url).bearer_auth(&binary.token).header("content-type", "application/json");
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
async fn the_schema_is_not_disclosed_unless_introspection_is_enabled() {
    let binary = Binary::start().await;
    for query in [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"User\") { name fields { name } } }",
        "query { viewer { key } __schema { types { name } } }",
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "mutation { __schema { types { name } } }",
    ] {
        let answer = binary.ask(&json!({"query": query})).await.unwrap();
        let disclosed = &answer.body["data"];
        assert!(
            disclosed.is_null() || disclosed["__schema"].is_null() && disclosed["__type"].is_null(),
            "{query}: {disclosed}"
        );
    }
    // Error messages do not suggest corrections of misspelled names.
    for query in
        ["{ viewr { key } }", "{ viewer { kay } }", "{ node(idd: 1) { id } }", "{ viewer { ... on Usr { key } } }"]
    {
        let answer = binary.ask(&json!({"query": query})).await.unwrap();
        let text = answer.body["errors"].to_string();
        assert!(!text.to_ascii_lowercase().contains("did you mean"), "{query}: {text}");
        assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{query}: {text}");
    }
    // `__typename` is always available, because clients use it for their caches.
    let answer = binary.ask(&json!({"query": "{ __typename viewer { __typename } }"})).await.unwrap();
    assert_eq!(answer.body, json!({"data": {"__typename": "Query", "viewer": {"__typename": "User"}}}));
    assert_eq!(log::panics(), Vec::<String>::new());
}
