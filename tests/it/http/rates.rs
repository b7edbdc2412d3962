//! Rate limits per user, agency, and address.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{Answer, VIEWER, read, send};
use crate::support::TestApp;
use crate::support::socket::{Closed, Socket};

async fn start(limits: &[(&'static str, &str)]) -> TestApp {
    TestApp::start_with_settings(limits.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()).await
}

fn viewer_request(app: &TestApp, token: &SecretString) -> RequestBuilder {
    let request = app.http.post(app.url("/graphql")).bearer_auth(token.expose_secret());
    request.json(&json!({"query": VIEWER}))
}

async fn send_repeatedly(count: usize, request: impl Fn() -> RequestBuilder) -> Vec<Answer> {
    let mut responses = Vec::new();
    for _ in 0..count {
        responses.push(read(request().send().await.unwrap()).await);
    }
    responses
}

fn assert_limited(answer: &Answer, seconds: u64) {
    assert_eq!((answer.status, answer.code()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"), "{}", answer.body);
    assert_eq!(answer.headers[RETRY_AFTER].to_str().unwrap(), seconds.to_string());
    assert_eq!(answer.body["errors"][0]["extensions"]["retryAfterSeconds"], seconds);
}

#[tokio::test]
async fn a_user_who_exceeds_the_rate_gets_a_retry_time() {
    let app = start(&[("PARTYLINE_USER_RATE", "1")]).await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    // Bursts of up to ten seconds' worth of requests are allowed.
    let first = send_repeatedly(10, || viewer_request(&app, &ana)).await;
    assert!(first.iter().all(|answer| answer.status == StatusCode::OK));
    assert_limited(&send(viewer_request(&app, &ana)).await, 1);
    assert_eq!(send(viewer_request(&app, &ben)).await.status, StatusCode::OK, "another user is not affected");
    let assignments = app.http.get(app.url("/api/sms-numbers/agency/acme/assignments"));
    let rest = assignments.bearer_auth(ana.expose_secret()).send().await.unwrap();
    assert_eq!(rest.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rest.headers()[RETRY_AFTER], "1");
    assert_eq!(rest.json::<serde_json::Value>().await.unwrap()["error"]["code"], "RATE_LIMITED");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(send(viewer_request(&app, &ana)).await.status, StatusCode::OK);
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("partyline_rejected_requests_total{limit=\"user_rate\"} 2"), "{metrics}");
}

#[tokio::test]
async fn the_users_of_an_agency_share_its_rate() {
    let app = start(&[("PARTYLINE_AGENCY_RATE", "1")]).await;
    let tokens = [app.token("acme", "ana"), app.token("acme", "ben")];
    for token in &tokens {
        assert!(
            send_repeatedly(5, || viewer_request(&app, token))
                .await
                .iter()
                .all(|answer| answer.status == StatusCode::OK)
        );
    }
    for token in &tokens {
        assert_limited(&send(viewer_request(&app, token)).await, 1);
    }
    assert_eq!(send(viewer_request(&app, &app.token("other", "olga"))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_fails_to_authenticate_too_often_is_limited_and_valid_tokens_are_not() {
    let app = start(&[("PARTYLINE_ADDRESS_RATE", "1")]).await;
    let wrong = SecretString::from("wrong");
    let first = send_repeatedly(10, || viewer_request(&app, &wrong)).await;
    assert!(first.iter().all(|answer| answer.status == StatusCode::UNAUTHORIZED));
    assert_limited(&send(viewer_request(&app, &wrong)).await, 1);
    assert_eq!(send(viewer_request(&app, &app.token("acme", "ana"))).await.status, StatusCode::OK);
    // The tests' client has the address of a trusted proxy.
    let elsewhere = viewer_request(&app, &wrong).header("x-forwarded-for", "198.51.100.7");
    assert_eq!(send(elsewhere).await.status, StatusCode::UNAUTHORIZED, "another client of the same proxy");
    let rest = app.http.get(app.url("/api/extensions/agency/acme")).send().await.unwrap();
    assert_eq!(rest.status(), StatusCode::TOO_MANY_REQUESTS);
    let mut socket = Socket::open(app.address).await;
    socket.send(json!({"type": "connection_init", "payload": {"authorization": "Bearer wrong"}})).await;
    assert_eq!(socket.next().await, Err(Closed(Some(1013))));
}

#[tokio::test]
async fn sockets_are_limited_per_user_and_in_total() {
    let app = start(&[("PARTYLINE_USER_SOCKETS", "2"), ("PARTYLINE_SOCKETS", "3")]).await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    let mut held = vec![app.socket(&ana).await, app.socket(&ana).await];
    assert_eq!(connect_refused(&app, &ana).await, Closed(Some(1013)), "two sockets per user");
    held.push(app.socket(&ben).await);
    assert_eq!(connect_refused(&app, &ben).await, Closed(Some(1013)), "three sockets per server");
    held.pop();
    crate::support::wait::until("Ben's socket is closed", || async {
        let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
        metrics.contains("partyline_sockets 2\n").then_some(())
    })
    .await;
    app.socket(&ben).await;
}

async fn connect_refused(app: &TestApp, token: &SecretString) -> Closed {
    let mut socket = Socket::open(app.address).await;
    let payload = json!({"authorization": format!("Bearer {}", token.expose_secret())});
    socket.send(json!({"type": "connection_init", "payload": payload})).await;
    socket.next().await.expect_err("one socket too many")
}

#[tokio::test]
async fn operations_on_a_socket_count_as_requests() {
    let app = start(&[("PARTYLINE_USER_RATE", "1")]).await;
    let ana = app.token("acme", "ana");
    let mut socket = app.socket(&ana).await;
    for n in 0..9 {
        socket.subscribe(&n.to_string(), VIEWER, json!({})).await;
        socket.event().await;
        assert_eq!(socket.next().await.unwrap()["type"], "complete");
    }
    socket.subscribe("9", VIEWER, json!({})).await;
    let connect_refused = socket.next().await.unwrap();
    assert_eq!(
        (&connect_refused["type"], &connect_refused["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("RATE_LIMITED"))
    );
    assert_eq!(connect_refused["payload"][0]["extensions"]["retryAfterSeconds"], 1);
}

#[tokio::test]
async fn a_subscription_may_cost_less_than_a_query() {
    let app = TestApp::start().await;
    let fields = (0..40).map(|n| format!("m{n}: messages(first: 5) {{ nodes {{ body }} }} ")).collect::<String>();
    let query = format!("{{ threads(first: 1) {{ nodes {{ {fields} }} }} }}");
    let ana = app.token("acme", "ana");
    assert!(app.graphql(&ana, &query, json!({})).await["data"].is_object());
    let mut socket = app.socket(&ana).await;
    socket.subscribe("1", &format!("subscription {{ threadUpdated {{ thread {{ {fields} }} }} }}"), json!({})).await;
    let connect_refused = socket.next().await.unwrap();
    assert_eq!(connect_refused["payload"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX", "{connect_refused}");
}

#[tokio::test]
async fn subscriptions_whose_documents_are_too_long_together_are_refused() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let mut socket = app.socket(&ana).await;
    let long = |n: usize| format!("subscription {{ threadUpdated {{ cursor }} }} # {n} {}", "x".repeat(100 * 1024));
    for n in 0..3 {
        socket.subscribe(&n.to_string(), &long(n), json!({})).await;
    }
    let connect_refused = socket.next().await.unwrap();
    assert_eq!(
        (&connect_refused["id"], &connect_refused["payload"][0]["extensions"]["code"]),
        (&json!("2"), &json!("RATE_LIMITED"))
    );
}
