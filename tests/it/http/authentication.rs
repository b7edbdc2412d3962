//! Authentication, and the origins that may send requests.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use partyline::ports::Clock as _;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Answer, GRAPHQL_RESPONSE, JSON, VIEWER, request, send};
use crate::support::{TestApp, settings};

const ALLOWED_ORIGIN: &str = "https://partyline.test";

async fn ask_as(app: &TestApp, authorization: Option<&str>) -> Answer {
    let mut request = app.http.post(app.url("/graphql")).json(&json!({"query": VIEWER}));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    send(request).await
}

fn assert_unauthenticated(answer: &Answer, what: &str) {
    let got = (answer.status, answer.code(), answer.has_data());
    assert_eq!(got, (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", false), "{what}");
    // RFC 9110, section 15.5.2: a 401 names the authentication scheme.
    let how = answer.headers.get(WWW_AUTHENTICATE).map(|how| how.to_str().unwrap());
    assert!(how.is_some_and(|how| how.starts_with("Bearer")), "{what}: {how:?}");
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_rejected() {
    let app = TestApp::start().await;
    let token = app.token("acme", "ana").expose_secret().to_owned();
    let exp = app.clock.now().timestamp() + 3600;
    let claims = json!({"sub": "ana", "agency": "acme", "exp": exp});
    let secret = settings(&app.database.url).authentication.secret.expect("the tests use a shared secret");
    let signed = |algorithm, secret: &str, claims: &Value| {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    let secret_text = secret.expose_secret();
    let (head, rest) = token.split_once('.').unwrap();
    let none = rest.split('.').next().unwrap();
    for (what, authorization) in [
        ("nothing", None),
        ("an empty header", Some(String::new())),
        ("no scheme", Some(token.clone())),
        ("no token", Some("Bearer ".to_owned())),
        ("another scheme", Some(format!("Basic {token}"))),
        ("a value that is not a token", Some("Bearer abc".to_owned())),
        ("a truncated token", Some(format!("Bearer {}", &token[..token.len() - 1]))),
        ("a token without its signature", Some(format!("Bearer {head}.{none}."))),
        ("a token that is not signed", Some(format!("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{none}."))),
        ("a very long token", Some(format!("Bearer {}", "a".repeat(20_000)))),
        (
            "another secret",
            Some(format!("Bearer {}", signed(Algorithm::HS256, "another secret of 32 bytes......", &claims))),
        ),
        ("another algorithm", Some(format!("Bearer {}", signed(Algorithm::HS512, secret_text, &claims)))),
        (
            "no expiry",
            Some(format!("Bearer {}", signed(Algorithm::HS256, secret_text, &json!({"sub": "ana", "agency": "acme"})))),
        ),
        (
            "no agency claim",
            Some(format!("Bearer {}", signed(Algorithm::HS256, secret_text, &json!({"sub": "ana", "exp": exp})))),
        ),
        ("an unknown user", Some(format!("Bearer {}", app.token("acme", "nobody").expose_secret()))),
        ("a user of another agency", Some(format!("Bearer {}", app.token("acme", "olga").expose_secret()))),
        ("an unknown agency", Some(format!("Bearer {}", app.token("nowhere", "ana").expose_secret()))),
    ] {
        assert_unauthenticated(&ask_as(&app, authorization.as_deref()).await, what);
    }
    // The same claims under the right secret and algorithm are valid.
    let good = format!("Bearer {}", signed(Algorithm::HS256, secret_text, &claims));
    assert_eq!(ask_as(&app, Some(&good)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_is_valid_until_it_expires_or_its_user_is_deactivated() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    let (ana, ben) = (format!("Bearer {}", ana.expose_secret()), format!("bearer {}", ben.expose_secret()));
    app.clock.advance(Duration::from_secs(3_599));
    assert_eq!(ask_as(&app, Some(&ana)).await.status, StatusCode::OK);
    assert_eq!(ask_as(&app, Some(&ben)).await.status, StatusCode::OK);
    app.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    assert_unauthenticated(&ask_as(&app, Some(&ben)).await, "inactive");
    // The leeway is at most 5 s.
    app.clock.advance(Duration::from_secs(6));
    assert_unauthenticated(&ask_as(&app, Some(&ana)).await, "expired");
}

/// Tokens in URLs and cookies are ignored, because those end up in logs and browser histories.
#[tokio::test]
async fn a_token_is_read_only_from_the_authorization_header() {
    let app = TestApp::start().await;
    let token = app.token("acme", "ana");
    let token = token.expose_secret();
    for query in ["access_token", "token", "authorization", "jwt"] {
        let request = app.http.post(format!("{}?{query}={token}", app.url("/graphql"))).json(&json!({"query": VIEWER}));
        assert_unauthenticated(&send(request).await, query);
    }
    let request = app.http.post(app.url("/graphql")).header("cookie", format!("token={token}"));
    assert_unauthenticated(&send(request.json(&json!({"query": VIEWER}))).await, "cookie");
    let request = app.http.post(app.url("/graphql")).json(&json!({"query": VIEWER, "authorization": token}));
    assert_unauthenticated(&send(request).await, "body");
    for accept in [JSON, GRAPHQL_RESPONSE] {
        let request = app.http.post(app.url("/graphql")).header("accept", accept).json(&json!({"query": VIEWER}));
        assert_unauthenticated(&send(request).await, accept);
    }
}

/// An outage does not mean that the token is invalid.
#[tokio::test]
async fn a_database_outage_is_a_503() {
    let app = TestApp::start().await;
    let request = request(&app).json(&json!({"query": VIEWER}));
    app.clock.advance(Duration::from_secs(2));
    app.db().close_by_ref().await.unwrap();
    let answer = send(request).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "INTERNAL"));
    assert!(answer.body["errors"][0]["extensions"]["requestId"].is_string());
    assert_eq!(answer.body["errors"][0]["message"], "internal error");
}

async fn preflight(app: &TestApp, origin: &str, method: &str, headers: &str) -> HeaderMap {
    let request = app.http.request(Method::OPTIONS, app.url("/graphql")).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    let answer = request.header("access-control-request-headers", headers).send().await.unwrap();
    answer.headers().clone()
}

fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap().split(','));
    values.map(|value| value.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn preflight_responses_name_the_allowed_origins_and_methods() {
    let app = TestApp::start().await;
    let allowed = preflight(&app, ALLOWED_ORIGIN, "POST", "authorization,content-type,accept").await;
    assert_eq!(list(&allowed, "access-control-allow-origin"), [ALLOWED_ORIGIN]);
    assert!(list(&allowed, "access-control-allow-methods").contains(&"post".to_owned()));
    let headers = list(&allowed, "access-control-allow-headers");
    for header in ["authorization", "content-type"] {
        assert!(headers.contains(&header.to_owned()), "{header}");
    }
    // A cache must not serve one origin's response to another.
    assert!(list(&allowed, "vary").contains(&"origin".to_owned()));
    for (name, value) in [
        ("access-control-allow-methods", "put"),
        ("access-control-allow-methods", "delete"),
        ("access-control-allow-methods", "*"),
        ("access-control-allow-headers", "x-other"),
        ("access-control-allow-headers", "*"),
    ] {
        let asked = preflight(&app, ALLOWED_ORIGIN, "DELETE", "x-other").await;
        assert!(!list(&asked, name).contains(&value.to_owned()), "{name}: {value}");
    }
    // There are no cookies, so credentials are not allowed.
    assert!(list(&allowed, "access-control-allow-credentials").is_empty());
    for origin in ["https://evil.example", "http://partyline.test", "https://partyline.test.evil.example", "null", ""] {
        let refused = preflight(&app, origin, "POST", "authorization,content-type").await;
        assert!(list(&refused, "access-control-allow-origin").is_empty(), "{origin}");
    }
}

#[tokio::test]
async fn an_allowed_origin_may_read_every_response() {
    let app = TestApp::start().await;
    let url = app.url("/graphql");
    let body = json!({"query": VIEWER});
    for (request, status) in [
        (request(&app).json(&body), StatusCode::OK),
        (request(&app).json(&json!([])), StatusCode::BAD_REQUEST),
        (request(&app).body("x"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (app.http.post(&url).json(&body), StatusCode::UNAUTHORIZED),
        (request(&app).header("content-type", JSON).body(" ".repeat(300_000)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let secret_text = send(request.try_clone().unwrap().header("origin", ALLOWED_ORIGIN)).await;
        assert_eq!(secret_text.status, status);
        assert_eq!(list(&secret_text.headers, "access-control-allow-origin"), [ALLOWED_ORIGIN], "{status}");
        let others = send(request.header("origin", "https://evil.example")).await;
        assert!(list(&others.headers, "access-control-allow-origin").is_empty(), "{status}");
    }
}
