//! Tokens signed with the shared secret: lifetime and revocation.

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use partyline::ports::Clock as _;
use partyline::service::authenticate::MAX_TOKEN_LIFETIME;
use partyline::service::revoke_tokens::revoke_tokens;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::socket::{Closed, Socket};

const SECRET: &[u8] = b"the tests' secret that signs bearer tokens";
const VIEWER: &str = include_str!("documents/tokens_viewer.graphql");

async fn code(app: &TestApp, token: &SecretString) -> Option<String> {
    let answer = app.graphql(token, VIEWER, Value::Null).await;
    answer["errors"][0]["extensions"]["code"].as_str().map(str::to_owned)
}

/// A token as any program that knows the secret could sign it.
pub(crate) fn signed(claims: &Value) -> SecretString {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET)).unwrap().into()
}

#[tokio::test]
async fn revoked_tokens_are_invalid_immediately_and_their_sockets_are_closed() {
    let app = TestApp::start().await;
    let (bens, chloes) = (app.token("acme", "ben"), app.token("acme", "chloe"));
    let mut socket = Socket::connect(app.address, &bens).await;
    let mut other = Socket::connect(app.address, &chloes).await;
    let ben = app.viewer("acme", "ben").await;
    assert!(revoke_tokens(app.services(), ben.agency(), ben.id()).await.unwrap());
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(code(&app, &bens).await.as_deref(), Some("UNAUTHENTICATED"));
    assert_eq!(socket.next().await, Err(Closed(Some(4403))));
    // A token of the new generation is accepted, and other users are not affected.
    assert_eq!(code(&app, &app.token_of_generation("acme", "ben", 1)).await, None);
    assert_eq!(code(&app, &chloes).await, None);
    other.send(json!({"type": "ping"})).await;
    assert_eq!(other.next().await.unwrap()["type"], "pong");
}

#[tokio::test]
async fn reactivating_a_user_does_not_restore_former_tokens() {
    let app = TestApp::start().await;
    let former = app.token("acme", "ben");
    for active in ["false", "true"] {
        app.apply(&format!("agencies: [{{key: acme, users: [{{key: ben, active: {active}}}]}}]")).await;
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(code(&app, &former).await.as_deref(), Some("UNAUTHENTICATED"), "active: {active}");
    }
}

#[tokio::test]
async fn a_token_is_valid_for_at_most_thirty_days_whoever_signed_it() {
    let app = TestApp::start().await;
    let token = |life: Duration| {
        let expires = (app.clock.now() + life).timestamp();
        signed(&json!({"sub": "ben", "agency": "acme", "exp": expires}))
    };
    assert_eq!(code(&app, &token(MAX_TOKEN_LIFETIME)).await, None);
    let longer = token(MAX_TOKEN_LIFETIME + Duration::from_secs(60));
    assert_eq!(code(&app, &longer).await.as_deref(), Some("UNAUTHENTICATED"));
}
