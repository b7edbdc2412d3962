//! The REST API. [`assignments`] and [`extensions`] test the routes, [`requests`] the handling of HTTP, [`strangers`]
//! authorization, [`document`] the OpenAPI document.

mod assignments;
mod document;
mod extensions;
mod requests;
mod strangers;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::support::TestApp;

const ASSIGNMENTS: &str = "/api/sms-numbers/agency/acme/assignments";
const EXTENSIONS: &str = "/api/extensions/agency/acme";
const CREATE: &str = "/api/extensions";

/// A complete response.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// The status and the code of the error.
    fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["error"]["code"].as_str().unwrap_or_default())
    }

    /// Asserts the status and returns the body.
    fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// Sends a request and reads the response, which must be JSON or empty, with errors in the common schema.
async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("the server answers");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.expect("a complete response");
    if status == StatusCode::NO_CONTENT {
        assert_eq!(text, "");
        return Answer { status, headers, body: Value::Null };
    }
    assert_eq!(headers[CONTENT_TYPE], "application/json", "{status}: {text}");
    let body: Value = serde_json::from_str(&text).expect("JSON");
    if !status.is_success() {
        assert!(body["error"]["code"].is_string() && body["error"]["message"].is_string(), "{body}");
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        assert_eq!(body["error"].as_object().unwrap().len(), 2, "{body}");
    }
    Answer { status, headers, body }
}

fn request(app: &TestApp, method: Method, path: &str, token: &SecretString) -> RequestBuilder {
    app.http.request(method, app.url(path)).bearer_auth(token.expose_secret())
}

/// A server with tokens of acme's admin and the other agency's, and helpers for requests.
struct Office {
    app: TestApp,
    ana: SecretString,
}

impl Office {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let ana = app.token("acme", "ana");
        Self { app, ana }
    }

    async fn user(&self, key: &str) -> String {
        self.app.user_id("acme", key).await
    }

    async fn number(&self, e164: &str) -> String {
        self.app.number_id("acme", e164).await
    }

    async fn get(&self, path: &str) -> Value {
        send(request(&self.app, Method::GET, path, &self.ana)).await.expect(StatusCode::OK)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(request(&self.app, method, path, &self.ana).json(body)).await
    }

    async fn graphql(&self, query: &str) -> Value {
        let answer = self.app.graphql(&self.ana, query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    /// The cursor of the end of the log, which moves with every change.
    async fn cursor(&self) -> Value {
        self.app.cursor(&self.ana).await
    }
}
