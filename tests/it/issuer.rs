//! Tokens of an external issuer: keys, algorithms, and required claims.

use std::time::Duration;

use jsonwebtoken::Algorithm::{ES256, HS256, RS256};
use jsonwebtoken::{EncodingKey, Header, encode};
use partyline::ports::Clock as _;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::issuer::{Issuer, jwk, sign};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "partyline";

async fn start(keys: Value) -> (Issuer, TestApp) {
    let issuer = Issuer::start(keys).await;
    let app = TestApp::start_with_settings(vec![
        ("PARTYLINE_JWKS_URL", format!("http://{}/keys", issuer.address)),
        ("PARTYLINE_JWT_ISSUER", ISSUER.to_owned()),
        ("PARTYLINE_JWT_AUDIENCE", AUDIENCE.to_owned()),
    ])
    .await;
    (issuer, app)
}

fn claims(app: &TestApp) -> Value {
    let exp = app.clock.now().timestamp() + 3600;
    json!({"sub": "ben", "agency": "acme", "exp": exp, "iss": ISSUER, "aud": [AUDIENCE, "others"]})
}

/// The claims with changes; null removes a claim.
fn with(claims: &Value, changes: Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

async fn status(app: &TestApp, token: &str) -> u16 {
    let request = app.http.post(app.url("/graphql")).bearer_auth(token);
    request.json(&json!({"query": "{ viewer { key } }"})).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_issuers_tokens_are_fully_validated() {
    let keys = json!([
        jwk(RS256, "r"),
        jwk(ES256, "e"),
        {"kty": "unheard-of", "kid": "x"},
        with(&jwk(RS256, "enc"), json!({"use": "enc"})),
        with(&jwk(RS256, "r512"), json!({"alg": "RS512"})),
        with(&jwk(RS256, "bare"), json!({"alg": null, "use": null})),
    ]);
    let (issuer, app) = start(keys).await;
    let good = claims(&app);
    let now = app.clock.now().timestamp();
    for (algorithm, kid, claims, expected) in [
        (RS256, "r", good.clone(), 200),
        (ES256, "e", good.clone(), 200),
        (RS256, "bare", good.clone(), 200),
        (RS256, "r", with(&good, json!({"aud": AUDIENCE, "nbf": now + 5})), 200),
        // Each key is valid for one algorithm, and only for signatures.
        (ES256, "r", good.clone(), 401),
        (RS256, "e", good.clone(), 401),
        (RS256, "enc", good.clone(), 401),
        (RS256, "r512", good.clone(), 401),
        (RS256, "x", good.clone(), 401),
        (RS256, "unknown", good.clone(), 401),
        (RS256, "r", with(&good, json!({"iss": "https://id.example.evil"})), 401),
        (RS256, "r", with(&good, json!({"iss": null})), 401),
        (RS256, "r", with(&good, json!({"aud": "others"})), 401),
        (RS256, "r", with(&good, json!({"aud": null})), 401),
        (RS256, "r", with(&good, json!({"exp": null})), 401),
        (RS256, "r", with(&good, json!({"exp": now})), 401),
        (RS256, "r", with(&good, json!({"nbf": now + 6})), 401),
        (RS256, "r", with(&good, json!({"agency": "other"})), 401),
        (RS256, "r", with(&good, json!({"agency": null})), 401),
        (RS256, "r", with(&good, json!({"sub": "nobody"})), 401),
    ] {
        assert_eq!(status(&app, &sign(algorithm, kid, &claims)).await, expected, "{algorithm:?} {kid} {claims}");
    }
    assert_eq!(issuer.request_count(), 1);

    // A token signed with a public key as an HMAC secret is rejected.
    for secret in [jwk(RS256, "r")["n"].as_str().unwrap().as_bytes(), jwk(RS256, "r").to_string().as_bytes()] {
        let header = Header { kid: Some("r".to_owned()), ..Header::new(HS256) };
        let token = encode(&header, &good, &EncodingKey::from_secret(secret)).unwrap();
        assert_eq!(status(&app, &token).await, 401);
    }
    // The shared secret is configured, too, so its tokens are accepted; they name no issuer or audience.
    let ours = app.token("acme", "ben");
    let who = app.graphql(&ours, "{ viewer { key } }", json!({})).await;
    assert_eq!(who["data"]["viewer"]["key"], "ben");
}

#[tokio::test]
async fn an_unknown_key_is_requested_at_most_once_a_minute() {
    let (issuer, app) = start(json!([jwk(RS256, "first")])).await;
    let token = |kid: &str| sign(RS256, kid, &claims(&app));
    assert_eq!(status(&app, &token("first")).await, 200);
    issuer.publish(Some(json!([jwk(RS256, "first"), jwk(RS256, "second")])));
    for kid in ["second", "third", "fourth"] {
        assert_eq!(status(&app, &token(kid)).await, 401, "{kid}");
    }
    assert_eq!(issuer.request_count(), 1);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(status(&app, &token("second")).await, 200);
    assert_eq!(status(&app, &token("third")).await, 401);
    assert_eq!(issuer.request_count(), 2);

    // A withdrawn key is not accepted indefinitely.
    issuer.publish(Some(json!([jwk(RS256, "second")])));
    app.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(status(&app, &token("first")).await, 401);
    assert_eq!(status(&app, &token("second")).await, 200);
    assert_eq!(issuer.request_count(), 3);
}

#[tokio::test]
async fn an_unavailable_issuer_affects_only_new_keys() {
    let (issuer, app) = start(json!([jwk(ES256, "e")])).await;
    let token = |kid: &str| sign(ES256, kid, &claims(&app));
    issuer.publish(None);
    assert_eq!(status(&app, &token("e")).await, 503);
    issuer.publish(Some(json!([jwk(ES256, "e")])));
    assert_eq!(status(&app, &token("e")).await, 503, "the issuer is not requested again within a minute");
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(status(&app, &token("e")).await, 200);
    issuer.publish(None);
    app.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(status(&app, &token("e")).await, 200, "a known key stays valid");
    assert_eq!(status(&app, &token("f")).await, 503);
}
