//! Methods, media types, and status codes.

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{GRAPHQL_RESPONSE, JSON, VIEWER, ask, content_type, request, send};
use crate::support::TestApp;

const TWO_OPERATIONS: &str = include_str!("../documents/http_media_two_operations.graphql");

#[tokio::test]
async fn only_json_is_accepted() {
    let app = TestApp::start().await;
    let body = json!({"query": VIEWER}).to_string();
    for media in [
        "text/plain",
        "text/plain; charset=application/json",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "application/jsonp",
        "application/json; charset=utf-16",
        "text/json",
        "",
    ] {
        let answer = send(request(&app).header("content-type", media).body(body.clone())).await;
        assert_eq!((answer.status, answer.has_data()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, false), "{media}");
    }
    assert_eq!(send(request(&app).body(body.clone())).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for media in ["application/json", "Application/JSON; Charset=UTF-8"] {
        let answer = send(request(&app).header("content-type", media).body(body.clone())).await;
        assert_eq!(
            (answer.status, answer.body),
            (StatusCode::OK, json!({"data": {"viewer": {"key": "ana"}}})),
            "{media}"
        );
    }
}

#[tokio::test]
async fn only_post_is_allowed() {
    let app = TestApp::start().await;
    let token = app.token("acme", "ana");
    let url = format!("{}?query=%7Bviewer%7Bkey%7D%7D", app.url("/graphql"));
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE] {
        for authenticated in [true, false] {
            let mut request = app.http.request(method.clone(), &url);
            if authenticated {
                request = request.bearer_auth(token.expose_secret());
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
            // RFC 9110, section 15.5.6: a 405 lists the allowed methods.
            let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
            assert!(allow.is_some_and(|allow| allow.contains("POST")), "{method}");
            assert!(!answer.text().await.unwrap().contains("ana"), "{method}");
        }
    }
}

#[tokio::test]
async fn the_response_has_the_media_type_that_the_client_accepts() {
    let app = TestApp::start().await;
    for (accept, expected) in [
        (Some(JSON), JSON),
        (Some(GRAPHQL_RESPONSE), GRAPHQL_RESPONSE),
        (Some("application/graphql-response+json, application/json;q=0.9"), GRAPHQL_RESPONSE),
        (Some("application/json;q=0.9, application/graphql-response+json"), GRAPHQL_RESPONSE),
        (Some("application/graphql-response+json;q=0.1, application/json"), JSON),
        (Some("application/graphql-response+json;q=0, application/json"), JSON),
        (Some("Application/GraphQL-Response+JSON; charset=utf-8"), GRAPHQL_RESPONSE),
        (Some("*/*"), JSON),
        (Some("application/*"), JSON),
        (None, JSON),
    ] {
        for query in [VIEWER, "{ nothing }", "{"] {
            let mut request = request(&app).json(&json!({"query": query}));
            if let Some(accept) = accept {
                request = request.header("accept", accept);
            }
            let answer = send(request).await;
            let media = format!("{expected}; charset=utf-8");
            assert_eq!(content_type(&answer.headers).to_ascii_lowercase(), media, "{accept:?} {query}");
        }
    }
}

/// A body that is not a GraphQL request gets the same status with either media type.
#[tokio::test]
async fn a_body_that_is_not_a_request_is_a_400() {
    let app = TestApp::start().await;
    let with = |member: &str, value: Value| {
        let mut body = json!({"query": VIEWER});
        body[member] = value;
        body.to_string()
    };
    for body in [
        String::new(),
        "hello".to_owned(),
        "null".to_owned(),
        "\"{ viewer { key } }\"".to_owned(),
        "{".to_owned(),
        "{}".to_owned(),
        "{\"query\":\"{ viewer { key } }\"} {}".to_owned(),
        with("query", json!(null)),
        with("query", json!(1)),
        with("query", json!([VIEWER])),
        with("operationName", json!(1)),
        with("variables", json!([])),
        with("variables", json!("{}")),
        with("extensions", json!([])),
        "[".repeat(200_000),
        format!("{{\"query\":\"{{ viewer {{ key }} }}\",\"variables\":{{\"a\":{}", "[".repeat(200_000)),
    ] {
        for accept in [JSON, GRAPHQL_RESPONSE] {
            let request = request(&app).header("accept", accept).header("content-type", JSON).body(body.clone());
            let answer = send(request).await;
            let got = (answer.status, answer.has_data(), answer.code());
            assert_eq!(got, (StatusCode::BAD_REQUEST, false, "BAD_USER_INPUT"), "{accept} {body:.60}");
        }
    }
    let latin = [&b"{\"query\":\"{ viewer { key } } # "[..], b"\xe9\"}"].concat();
    let answer = send(request(&app).header("content-type", JSON).body(latin)).await;
    assert_eq!((answer.status, answer.has_data()), (StatusCode::BAD_REQUEST, false));
}

/// A document or variables that do not parse or validate are not executed: the response has no `data`, and its status
/// is 400 for clients that accept GraphQL responses.
#[tokio::test]
async fn a_request_that_cannot_be_executed_gets_no_data() {
    let app = TestApp::start().await;
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let page = "query($first: Int) { threads(first: $first) { totalCount } }";
    let plain = |query: &str| json!({"query": query});
    let mut wrong = Vec::new();
    for (body, codes) in [
        (plain("{ viewer { key }"), &["GRAPHQL_PARSE_FAILED"][..]),
        (plain(""), &["GRAPHQL_PARSE_FAILED"]),
        (plain("# nothing"), &["GRAPHQL_PARSE_FAILED"]),
        (plain("type Query { a: Int }"), &["GRAPHQL_PARSE_FAILED"]),
        (
            plain("query A { viewer { key } } query A { viewer { key } }"),
            &["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"],
        ),
        (plain("{ viewer { shoeSize } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ viewer }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ viewer { key { key } } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ node { id } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ ...F }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ ...F } fragment F on Query { ...F }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ viewer { key } } fragment F on Query { viewer { key } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("query($id: ID!) { viewer { key } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ node(id: $id) { id } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ viewer @sometimes { key } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("mutation { claimThread(input: {}) { userErrors { code } } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("{ threads(first: \"ten\") { totalCount } }"), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain(TWO_OPERATIONS), &["GRAPHQL_VALIDATION_FAILED"]),
        (json!({"query": TWO_OPERATIONS, "operationName": "C"}), &["GRAPHQL_VALIDATION_FAILED"]),
        (json!({"query": VIEWER, "operationName": "A"}), &["GRAPHQL_VALIDATION_FAILED"]),
        (plain("subscription { inboundMessage { cursor } }"), &["BAD_USER_INPUT"]),
        // GraphQL, section 6.1.2: invalid variable values are request errors.
        (json!({"query": node}), &["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"]),
        (json!({"query": node, "variables": {"id": null}}), &["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"]),
        (json!({"query": node, "variables": {"id": {}}}), &["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"]),
        (json!({"query": page, "variables": {"first": "ten"}}), &["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"]),
        (
            json!({"query": page, "variables": {"first": 9_000_000_000_u64}}),
            &["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"],
        ),
    ] {
        for (accept, status) in [(JSON, StatusCode::OK), (GRAPHQL_RESPONSE, StatusCode::BAD_REQUEST)] {
            let answer = ask(&app, accept, &body).await;
            if answer.status != status || answer.has_data() || !codes.contains(&answer.code()) {
                wrong.push(format!("{accept} {body} {} {}", answer.status, answer.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A request that was executed gets a 200 with `data`, even if its execution failed.
#[tokio::test]
async fn a_request_that_was_executed_gets_data() {
    let app = TestApp::start().await;
    for accept in [JSON, GRAPHQL_RESPONSE] {
        let fine =
            ask(&app, accept, &json!({"query": TWO_OPERATIONS, "operationName": "B", "extensions": {"x": 1}})).await;
        assert_eq!((fine.status, fine.body), (StatusCode::OK, json!({"data": {"viewer": {"key": "ana"}}})));
        let failed = ask(&app, accept, &json!({"query": "{ threads(first: 1000) { totalCount } }"})).await;
        assert_eq!((failed.status, failed.code()), (StatusCode::OK, "BAD_USER_INPUT"));
        assert_eq!(failed.body.get("data"), Some(&Value::Null));
        assert_eq!(failed.body["errors"][0]["path"], json!(["threads"]));
        let refused = "mutation { claimThread(input: {threadId: \"thr_nothing\"}) { userErrors { code } } }";
        let refused = ask(&app, accept, &json!({"query": refused})).await;
        assert_eq!(refused.status, StatusCode::OK);
        assert_eq!(refused.body, json!({"data": {"claimThread": {"userErrors": [{"code": "NOT_FOUND"}]}}}));
    }
}

#[tokio::test]
async fn batches_of_requests_are_refused() {
    let app = TestApp::start().await;
    let one = json!({"query": "mutation { setAvailability(input: {availability: AWAY}) { userErrors { code } } }"});
    for count in [1, 2, 1_000] {
        let batch = Value::Array(vec![one.clone(); count]);
        let answer = ask(&app, JSON, &batch).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"));
        // One response for the whole batch, not one per request.
        assert!(answer.length < 1_000, "{} bytes", answer.length);
    }
    let ana = ask(&app, JSON, &json!({"query": "{ viewer { availability } }"})).await;
    assert_eq!(ana.body, json!({"data": {"viewer": {"availability": "AVAILABLE"}}}));
}
