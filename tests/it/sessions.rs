//! Sessions: sign-in with a one-time code, renewal, and the reasons for which a token is not accepted.

use std::time::Duration;

use partyline::ports::Clock as _;
use partyline::service::revoke_tokens::revoke_tokens;
use partyline::service::sessions::create_sign_in_code;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::support::socket::{Closed, Socket};
use crate::support::{TestApp, log};
use crate::tokens::signed;

const EXCHANGE: &str = include_str!("documents/sessions_exchange.graphql");
const RENEW: &str = include_str!("documents/sessions_renew.graphql");
const SESSION: &str = include_str!("documents/sessions_session.graphql");

/// A sign-in code of a user of Acme.
async fn code(app: &TestApp, user: &str) -> SecretString {
    let viewer = app.viewer("acme", user).await;
    create_sign_in_code(app.services(), viewer.agency(), viewer.id()).await.unwrap()
}

/// Sends a request without a token.
async fn ask(app: &TestApp, query: &str, variables: Value) -> (StatusCode, Value) {
    let body = json!({"query": query, "variables": variables});
    let response = app.http.post(app.url("/graphql")).json(&body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// The result of an exchange: a token, or the code and the path of its user error.
async fn exchange(app: &TestApp, code: &SecretString) -> Result<SecretString, Value> {
    let (status, answer) = ask(app, EXCHANGE, json!({"code": code.expose_secret()})).await;
    let payload = &answer["data"]["exchangeSignInCode"];
    assert_eq!(status, StatusCode::OK, "{answer}");
    match payload["token"].as_str() {
        Some(token) => Ok(token.to_owned().into()),
        None => Err(payload["userErrors"][0].clone()),
    }
}

fn refused() -> Value {
    json!({"__typename": "InputError", "code": "INVALID", "path": ["input", "code"]})
}

#[tokio::test]
async fn a_sign_in_code_is_exchanged_for_a_token_once() {
    let app = TestApp::start().await;
    let code_of_ben = code(&app, "ben").await;
    let token = exchange(&app, &code_of_ben).await.unwrap();
    let answer = app.graphql(&token, SESSION, json!({})).await;
    let session = json!({"expiresAt": "2026-11-24T03:00:00.000000Z", "renewable": true});
    assert_eq!(answer["data"], json!({"viewer": {"key": "ben"}, "session": session}));
    assert_eq!(exchange(&app, &code_of_ben).await.unwrap_err(), refused());
    // A client that is signed in may exchange a code, too, for example that of another user.
    let variables = json!({"code": code(&app, "chloe").await.expose_secret()});
    let answer = app.graphql(&token, EXCHANGE, variables).await;
    let chloes = SecretString::from(answer["data"]["exchangeSignInCode"]["token"].as_str().unwrap());
    assert_eq!(app.graphql(&chloes, SESSION, json!({})).await["data"]["viewer"]["key"], "chloe");
    let lines = log::lines();
    for secret in [code_of_ben.expose_secret(), token.expose_secret()] {
        assert!(!lines.contains(secret), "a code or a token was logged");
    }
}

#[tokio::test]
async fn of_exchanges_at_the_same_time_one_succeeds() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        let code = code(&app, "ben").await;
        let results = futures_util::future::join_all((0..4).map(|_| exchange(&app, &code))).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        // The rate of an address is limited.
        app.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn codes_expire_and_end_with_the_access_of_their_user() {
    let app = TestApp::start().await;
    let in_time = code(&app, "ben").await;
    app.clock.advance(Duration::from_secs(599));
    assert!(exchange(&app, &in_time).await.is_ok());
    let late = code(&app, "ben").await;
    app.clock.advance(Duration::from_secs(600));
    assert_eq!(exchange(&app, &late).await.unwrap_err(), refused());
    let revoked = code(&app, "ben").await;
    let ben = app.viewer("acme", "ben").await;
    revoke_tokens(app.services(), ben.agency(), ben.id()).await.unwrap();
    assert_eq!(exchange(&app, &revoked).await.unwrap_err(), refused());
    let deactivated = code(&app, "chloe").await;
    app.apply("agencies: [{key: acme, users: [{key: chloe, active: false}]}]").await;
    assert_eq!(exchange(&app, &deactivated).await.unwrap_err(), refused());
    for invalid in ["", "x", "AAAA", &"A".repeat(54), &"é".repeat(2_000)] {
        assert_eq!(exchange(&app, &invalid.into()).await.unwrap_err(), refused(), "{invalid:.20}");
        app.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn without_a_token_nothing_but_a_sign_in_is_executed() {
    let app = TestApp::start().await;
    let code = code(&app, "ben").await;
    let input = format!("(input: {{code: \"{}\"}})", code.expose_secret());
    let exchange = format!("exchangeSignInCode{input} {{ token }}");
    let long = format!("mutation {{ {exchange} }} #{}", "x".repeat(8 * 1024));
    for query in [
        "{ viewer { key } }".to_owned(),
        "{ server { version } }".to_owned(),
        "mutation { renewSession { token } }".to_owned(),
        format!("mutation {{ {exchange} renewSession {{ token }} }}"),
        format!("mutation {{ {exchange} again: {exchange} }}"),
        format!("mutation {{ ...Both }} fragment Both on Mutation {{ {exchange} renewSession {{ token }} }}"),
        format!("query {{ {exchange} }}"),
        format!("subscription {{ {exchange} }}"),
        "mutation { exchangeSignInCode".to_owned(),
        long,
    ] {
        let (status, answer) = ask(&app, &query, json!({})).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{query:.80}");
        let extensions = json!({"code": "UNAUTHENTICATED", "reason": "INVALID"});
        assert_eq!(answer["errors"][0]["extensions"], extensions, "{query:.80}");
        assert!(answer.get("data").is_none(), "{query:.80}");
        app.clock.advance(Duration::from_secs(1));
    }
    let several = format!("query A {{ viewer {{ key }} }} mutation B {{ {exchange} }}");
    let body = json!({"query": several, "operationName": "A"});
    let response = app.http.post(app.url("/graphql")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let body = json!({"query": several, "operationName": "B"});
    let answer: Value = app.http.post(app.url("/graphql")).json(&body).send().await.unwrap().json().await.unwrap();
    assert!(answer["data"]["exchangeSignInCode"]["token"].is_string(), "{answer}");
}

#[tokio::test]
async fn sign_ins_of_one_address_are_limited_to_its_rate() {
    let app = TestApp::start().await;
    let mut statuses = Vec::new();
    for _ in 0..200 {
        statuses.push(ask(&app, EXCHANGE, json!({"code": "x"})).await.0);
    }
    assert_eq!(statuses[0], StatusCode::OK);
    assert_eq!(statuses[199], StatusCode::TOO_MANY_REQUESTS);
    // Users with a token are not affected.
    let answer = app.graphql(&app.token("acme", "ben"), SESSION, json!({})).await;
    assert_eq!(answer["data"]["viewer"]["key"], "ben");
}

#[tokio::test]
async fn a_session_is_renewed_until_a_week_after_the_sign_in() {
    let app = TestApp::start().await;
    let mut token = exchange(&app, &code(&app, "ben").await).await.unwrap();
    let mut ends = Vec::new();
    for _ in 0..14 {
        app.clock.advance(Duration::from_secs(11 * 3600 + 1800));
        let renewed = app.graphql(&token, RENEW, json!({})).await["data"]["renewSession"].clone();
        token = renewed["token"].as_str().unwrap().to_owned().into();
        ends.push(renewed["expiresAt"].as_str().unwrap().to_owned());
        let session = app.graphql(&token, SESSION, json!({})).await["data"]["session"].clone();
        assert_eq!(session["expiresAt"], renewed["expiresAt"]);
    }
    assert_eq!(ends.first().unwrap(), "2026-11-24T14:30:00.000000Z");
    assert_eq!(ends.last().unwrap(), "2026-11-30T15:00:00.000000Z");
    app.clock.advance(Duration::from_secs(3600));
    let refused = json!([{"__typename": "ForbiddenError", "code": "FORBIDDEN"}]);
    let expected = json!({"token": null, "expiresAt": null, "userErrors": refused});
    assert_eq!(app.graphql(&token, RENEW, json!({})).await["data"]["renewSession"], expected);
    assert_eq!(app.graphql(&token, SESSION, json!({})).await["data"]["session"]["renewable"], false);
}

#[tokio::test]
async fn a_renewed_token_is_revoked_with_the_session() {
    let app = TestApp::start().await;
    let token = app.token("acme", "ben");
    let renewed = app.graphql(&token, RENEW, json!({})).await["data"]["renewSession"]["token"].clone();
    let renewed = SecretString::from(renewed.as_str().unwrap());
    let ben = app.viewer("acme", "ben").await;
    revoke_tokens(app.services(), ben.agency(), ben.id()).await.unwrap();
    let answer = app.graphql(&renewed, SESSION, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"], json!({"code": "UNAUTHENTICATED", "reason": "REVOKED"}));
}

#[tokio::test]
async fn errors_say_why_a_token_is_not_accepted() {
    let app = TestApp::start().await;
    let (bens, chloes, anas) = (app.token("acme", "ben"), app.token("acme", "chloe"), app.token("acme", "ana"));
    let mut sockets = Vec::new();
    for token in [&bens, &chloes, &anas] {
        sockets.push(Socket::connect(app.address, token).await);
    }
    let ben = app.viewer("acme", "ben").await;
    revoke_tokens(app.services(), ben.agency(), ben.id()).await.unwrap();
    app.apply("agencies: [{key: acme, users: [{key: chloe, active: false}]}]").await;
    app.clock.advance(Duration::from_secs(1));
    let reasons = [(&bens, "REVOKED"), (&chloes, "INACTIVE"), (&anas, "EXPIRED"), (&"forged".into(), "INVALID")];
    for (index, (token, reason)) in reasons.into_iter().enumerate() {
        if reason == "EXPIRED" {
            app.clock.advance(Duration::from_secs(3600));
        }
        let answer = app.graphql(token, SESSION, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"], json!({"code": "UNAUTHENTICATED", "reason": reason}));
        let expected = Some(format!("Forbidden: {reason}"));
        let mut opened = Socket::open(app.address).await;
        let payload = json!({"authorization": format!("Bearer {}", token.expose_secret())});
        opened.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!((opened.next().await, &opened.close_reason), (Err(Closed(Some(4403))), &expected));
        if let Some(socket) = sockets.get_mut(index) {
            assert_eq!((socket.next().await, &socket.close_reason), (Err(Closed(Some(4403))), &expected));
        }
    }
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let app = TestApp::start().await;
    let answer = app.graphql(&app.token("acme", "ben"), "{ server { version mode features } }", json!({})).await;
    let expected = json!({"version": env!("CARGO_PKG_VERSION"), "mode": "SERVE", "features": []});
    assert_eq!(answer["data"]["server"], expected);
}

#[tokio::test]
async fn a_token_of_another_program_is_not_renewed() {
    let app = TestApp::start().await;
    let claims =
        json!({"sub": "ben", "agency": "acme", "exp": (app.clock.now() + Duration::from_secs(60)).timestamp()});
    let token = signed(&claims);
    let refused = json!([{"__typename": "ForbiddenError", "code": "FORBIDDEN"}]);
    assert_eq!(app.graphql(&token, RENEW, json!({})).await["data"]["renewSession"]["userErrors"], refused);
}
