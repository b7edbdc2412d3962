//! The HTTP request that asks for a socket: whose page it comes from, and what it may not carry.

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::peer::{Got, Peer, Upgrade};
use crate::support::TestApp;

/// The origin of the tests' public URL, which is the one that is allowed.
const OURS: &str = "https://partyline.test";

#[tokio::test]
async fn a_page_of_another_origin_gets_no_socket() {
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
        &[OURS, "https://evil.example"],
    ] {
        for upgrade in [Upgrade::new(), Upgrade::speaking_nothing()] {
            let upgrade = origins.iter().fold(upgrade, |upgrade, origin| upgrade.header("origin", *origin));
            let refused = upgrade.ask(app.address).await.err();
            assert_eq!(refused, Some(StatusCode::FORBIDDEN), "{origins:?}");
        }
    }
    for upgrade in [Upgrade::new(), Upgrade::new().header("origin", OURS)] {
        let mut peer = upgrade.open(app.address).await;
        assert_eq!(peer.subprotocol.as_deref(), Some("graphql-transport-ws"));
        introduce(&app, &mut peer).await;
    }
}

async fn introduce(app: &TestApp, peer: &mut Peer) {
    let authorization = format!("Bearer {}", app.token("acme", "ana").expose_secret());
    peer.say_json(&json!({"type": "connection_init", "payload": {"authorization": authorization}})).await;
    assert_eq!(peer.frame().await, json!({"type": "connection_ack"}));
}

/// Addresses end up in logs and histories: a token in one counts for nothing.
#[tokio::test]
async fn a_token_is_read_from_the_introduction_alone() {
    let app = TestApp::start().await;
    let token = app.token("acme", "ana");
    let token = token.expose_secret();
    let by_query = Upgrade::new().query(&format!("authorization=Bearer%20{token}&access_token={token}&token={token}"));
    let by_header = Upgrade::new().header("authorization", format!("Bearer {token}"));
    let by_cookie = Upgrade::new().header("cookie", format!("authorization=Bearer {token}; token={token}"));
    for upgrade in [by_query, by_header, by_cookie] {
        for init in [json!({"type": "connection_init"}), json!({"type": "connection_init", "payload": {}})] {
            let mut peer = upgrade.open(app.address).await;
            peer.say_json(&init).await;
            assert_eq!(peer.next().await, Got::Closed(4403), "{upgrade:?}");
        }
    }
    // A wrong one does no harm either.
    let upgrade = Upgrade::new().query("access_token=nonsense");
    introduce(&app, &mut upgrade.header("authorization", "Bearer nonsense").open(app.address).await).await;
}

#[tokio::test]
async fn what_asks_for_no_socket_gets_none() {
    let app = TestApp::start().await;
    let url = app.url("/graphql/ws");
    let plain = app.http.get(&url).send().await.unwrap().status();
    assert!(plain.is_client_error(), "{plain}");
    for request in [app.http.post(&url).json(&json!({"query": "{ viewer { key } }"})), app.http.put(&url)] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
