//! GraphQL over HTTP (graphql.github.io/graphql-over-http): what is asked how, by whom and from
//! where, and what is refused. [`media`] is the protocol, [`bodies`] how requests arrive,
//! [`keep_alive`] how long connections wait for them, [`connections`] how many there are and what ends them,
//! [`callers`] who may ask, [`direct`] how rows are written, [`excess`] and [`nesting`] documents
//! that ask for too much, [`extensions`] persisted queries and disabled introspection, [`batches`] lists of many threads
//! in one statement, [`deadlines`] requests that take too long, [`rates`] users and addresses that send too many.

mod batches;
mod bodies;
mod callers;
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

const WHO: &str = "{ viewer { key } }";
const JSON: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// An answer, read to its end.
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

/// Sends a request and reads the answer.
async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.expect("the server answers")).await
}

/// Reads an answer: it is a GraphQL response, and each of its errors has a code.
async fn read(answer: Response) -> Answer {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.expect("an answer to its end");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, no JSON: {text:.200}"));
    assert!(body.get("data").is_some() || body.get("errors").is_some(), "no GraphQL response: {body}");
    if let Some(errors) = body.get("errors") {
        let errors = errors.as_array().expect("a list of errors");
        assert!(!errors.is_empty(), "no errors, then no list of them");
        for error in errors {
            assert!(error["message"].is_string() && error["extensions"]["code"].is_string(), "{error}");
        }
    }
    Answer { status, headers, length: text.len(), body }
}

/// A request of Ana's whose body is still to come.
fn request(app: &TestApp) -> RequestBuilder {
    app.http.post(app.url("/graphql")).bearer_auth(app.token("acme", "ana").expose_secret())
}

/// Ana's request.
async fn ask(app: &TestApp, accept: &str, body: &Value) -> Answer {
    send(request(app).header("accept", accept).json(body)).await
}

/// Ana's query, asked as most clients ask.
async fn query(app: &TestApp, query: &str) -> Answer {
    ask(app, JSON, &json!({"query": query})).await
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap())
}
