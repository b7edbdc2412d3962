//! GraphQL over HTTP (graphql.github.io/graphql-over-http). [`media`] tests the protocol, [`bodies`] the arrival of
//! requests, [`keep_alive`] connection timeouts, [`connections`] limits of connections, [`authentication`] tokens and
//! origins, [`direct`] the writing of rows, [`excess`] and [`nesting`] excessive documents, [`extensions`] persisted
//! queries and disabled introspection, [`batches`] lists of many threads, [`deadlines`] slow requests, [`rates`] rate
//! limits.

mod authentication;
mod batches;
mod bodies;
mod connections;
mod deadlines;
mod direct;
mod excess;
mod extensions;
mod keep_alive;
mod media;
mod nesting;
mod rates;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::support::TestApp;

const VIEWER: &str = include_str!("../documents/http_viewer.graphql");
const JSON: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// A complete response.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    length: usize,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
    }

    fn has_data(&self) -> bool {
        self.body.get("data").is_some()
    }
}

/// Sends a request and reads the response.
async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.expect("the server answers")).await
}

/// Reads a response and asserts that it is a GraphQL response in which each error has a code.
async fn read(answer: Response) -> Answer {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.expect("a complete response");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, no JSON: {text:.200}"));
    assert!(body.get("data").is_some() || body.get("errors").is_some(), "not a GraphQL response: {body}");
    if let Some(errors) = body.get("errors") {
        let errors = errors.as_array().expect("a list of errors");
        assert!(!errors.is_empty(), "`errors` is not an empty list");
        for error in errors {
            assert!(error["message"].is_string() && error["extensions"]["code"].is_string(), "{error}");
        }
    }
    Answer { status, headers, length: text.len(), body }
}

/// A request as Ana, without a body.
fn request(app: &TestApp) -> RequestBuilder {
    app.http.post(app.url("/graphql")).bearer_auth(app.token("acme", "ana").expose_secret())
}

/// A request as Ana.
async fn ask(app: &TestApp, accept: &str, body: &Value) -> Answer {
    send(request(app).header("accept", accept).json(body)).await
}

/// A query as Ana, with the headers of a typical client.
async fn query(app: &TestApp, query: &str) -> Answer {
    ask(app, JSON, &json!({"query": query})).await
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap())
}
