//! The HTTP request that opens a socket: its origin, and credentials outside connection_init.

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::peer::{Peer, Received, Upgrade};
use crate::support::TestApp;

/// The origin of the tests' public URL, the only allowed one.
const ALLOWED_ORIGIN: &str = "https://partyline.test";

#[tokio::test]
async fn an_upgrade_from_another_origin_is_refused() {
    let app = TestApp::start().await;
    for origins in [
        &["https://evil.example"][..],
        &["http://partyline.test"],
        &["https://partyline.test.evil.example"],
        &["https://evil-partyline.test"],
        &["https://partyline.test:8443"],
        &["https://partyline.test/"],
        &["null"],
        &[""],
        &[ALLOWED_ORIGIN, "https://evil.example"],
    ] {
        for upgrade in [Upgrade::new(), Upgrade::without_subprotocol()] {
            let upgrade = origins.iter().fold(upgrade, |upgrade, origin| upgrade.header("origin", *origin));
            let refused = upgrade.ask(app.address).await.err();
            assert_eq!(refused, Some(StatusCode::FORBIDDEN), "{origins:?}");
        }
    }
    for upgrade in [Upgrade::new(), Upgrade::new().header("origin", ALLOWED_ORIGIN)] {
        let mut peer = upgrade.open(app.address).await;
        assert_eq!(peer.subprotocol.as_deref(), Some("graphql-transport-ws"));
        initialize(&app, &mut peer).await;
    }
}

async fn initialize(app: &TestApp, peer: &mut Peer) {
    let authorization = format!("Bearer {}", app.token("acme", "ana").expose_secret());
    peer.send_json(&json!({"type": "connection_init", "payload": {"authorization": authorization}})).await;
    assert_eq!(peer.frame().await, json!({"type": "connection_ack"}));
}

/// URLs end up in logs and browser histories, so tokens in them are ignored.
#[tokio::test]
async fn a_token_is_read_only_from_connection_init() {
    let app = TestApp::start().await;
    let token = app.token("acme", "ana");
    let token = token.expose_secret();
    let by_query = Upgrade::new().query(&format!("authorization=Bearer%20{token}&access_token={token}&token={token}"));
    let by_header = Upgrade::new().header("authorization", format!("Bearer {token}"));
    let by_cookie = Upgrade::new().header("cookie", format!("authorization=Bearer {token}; token={token}"));
    for upgrade in [by_query, by_header, by_cookie] {
        for init in [json!({"type": "connection_init"}), json!({"type": "connection_init", "payload": {}})] {
            let mut peer = upgrade.open(app.address).await;
            peer.send_json(&init).await;
            assert_eq!(peer.next().await, Received::Closed(4403), "{upgrade:?}");
        }
    }
    // An invalid token outside connection_init is ignored, too.
    let upgrade = Upgrade::new().query("access_token=nonsense");
    initialize(&app, &mut upgrade.header("authorization", "Bearer nonsense").open(app.address).await).await;
}

#[tokio::test]
async fn a_request_without_an_upgrade_gets_no_socket() {
    let app = TestApp::start().await;
    let url = app.url("/graphql/ws");
    let plain = app.http.get(&url).send().await.unwrap().status();
    assert!(plain.is_client_error(), "{plain}");
    for request in [app.http.post(&url).json(&json!({"query": "{ viewer { key } }"})), app.http.put(&url)] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
