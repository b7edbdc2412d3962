//! Persisted queries, and introspection when it is disabled, over HTTP and over a socket.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{GRAPHQL_RESPONSE, JSON, VIEWER, ask, request, send};
use crate::support::TestApp;
use crate::support::socket::Closed;

/// The extensions of Apollo's first request: the hash of a document.
fn hash_extension() -> Value {
    let hash = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
    json!({"persistedQuery": {"version": 1, "sha256Hash": hash}})
}

/// Sends an operation over a socket, expects an `error` message, and returns its errors.
async fn errors_on_a_socket(app: &TestApp, payload: &Value) -> Value {
    let mut socket = app.socket(&app.token("acme", "ana")).await;
    socket.send(json!({"type": "subscribe", "id": "1", "payload": payload})).await;
    let mut message = socket.next().await.unwrap();
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
    // The socket stays open.
    socket.subscribe("2", VIEWER, json!({})).await;
    assert_eq!(socket.event().await, json!({"viewer": {"key": "ana"}}));
    message["payload"].take()
}

#[tokio::test]
async fn the_hash_of_a_persisted_query_is_rejected_so_that_clients_send_the_document() {
    let app = TestApp::start().await;
    let error =
        json!([{"message": "PersistedQueryNotSupported", "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}}]);
    for body in [
        json!({"extensions": hash_extension()}),
        json!({"query": null, "extensions": hash_extension()}),
        json!({"operationName": "Who", "variables": {"a": 1}, "extensions": hash_extension()}),
    ] {
        for (accept, status) in [(JSON, StatusCode::OK), (GRAPHQL_RESPONSE, StatusCode::BAD_REQUEST)] {
            let answer = ask(&app, accept, &body).await;
            assert_eq!((answer.status, answer.body), (status, json!({"errors": error})), "{accept} {body}");
        }
        assert_eq!(errors_on_a_socket(&app, &body).await, error, "{body}");
    }
}

#[tokio::test]
async fn a_document_is_executed_with_any_extensions() {
    let app = TestApp::start().await;
    let ana = json!({"data": {"viewer": {"key": "ana"}}});
    for extensions in [hash_extension(), json!({}), json!({"persistedQuery": null}), json!({"x": [1]}), json!(null)] {
        let body = json!({"query": VIEWER, "extensions": extensions});
        assert_eq!(ask(&app, GRAPHQL_RESPONSE, &body).await.body, ana, "{body}");
    }
}

#[tokio::test]
async fn a_request_without_a_document_or_a_hash_is_rejected() {
    let app = TestApp::start().await;
    for body in
        [json!({}), json!({"extensions": {}}), json!({"extensions": {"persistedQuery": null}}), json!({"id": "x"})]
    {
        let answer = send(request(&app).json(&body)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"), "{body}");
        let message = answer.body["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("`query`"), "{message}");
        let mut socket = app.socket(&app.token("acme", "ana")).await;
        socket.send(json!({"type": "subscribe", "id": "1", "payload": body})).await;
        assert_eq!(socket.next().await, Err(Closed(Some(4400))), "{body}");
    }
}

#[tokio::test]
async fn introspection_queries_are_rejected_when_introspection_is_disabled() {
    let app = TestApp::start_with_settings(vec![("PARTYLINE_INTROSPECTION", "off".to_owned())]).await;
    for document in [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"User\") { name } }",
        "{ viewer { key } s: __schema { queryType { name } } }",
        "{ viewer { key } ... on Query { __schema { queryType { name } } } }",
        "{ ...F } fragment F on Query { viewer { key } __type(name: \"User\") { name } }",
        "query($no: Boolean = false) { viewer { key } __schema @include(if: $no) { queryType { name } } }",
    ] {
        let body = json!({"query": document});
        for (accept, status) in [(JSON, StatusCode::OK), (GRAPHQL_RESPONSE, StatusCode::BAD_REQUEST)] {
            let answer = ask(&app, accept, &body).await;
            let got = (answer.status, answer.has_data(), answer.code());
            assert_eq!(got, (status, false, "INTROSPECTION_DISABLED"), "{accept} {document}");
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("PARTYLINE_INTROSPECTION"), "{message}");
        }
        let errors = errors_on_a_socket(&app, &body).await;
        assert_eq!(errors[0]["extensions"]["code"], "INTROSPECTION_DISABLED", "{document}");
    }
    let answer = ask(&app, JSON, &json!({"query": "{ __typename viewer { __typename key } }"})).await;
    assert_eq!(answer.body, json!({"data": {"__typename": "Query", "viewer": {"__typename": "User", "key": "ana"}}}));
}
