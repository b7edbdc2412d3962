//! Snapshots of the payload of every mutation and of an event of every subscription. The documents select every field
//! without arguments and are derived from the schema, so that a new field appears in the snapshots.
//!
//! After an intended change, run the tests with `INSTA_UPDATE=always` and review the difference.

use std::collections::BTreeMap;

use insta::{Settings, assert_snapshot};
use serde_json::{Value, json};

use super::Site;
use super::mutations::{prerequisites, required};
use crate::support::Text;
use crate::support::directory::EMPTY;
use crate::support::voice::{attribute, form};

fn assert_payload(name: &str, payload: &Value) {
    let text = serde_json::to_string_pretty(payload).unwrap();
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots");
    settings.bind(|| assert_snapshot!(name, text));
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn the_payloads_of_mutations() {
    let described = Site::start().await;
    let names: Vec<String> = described.schema.of("Mutation").fields.iter().map(|field| field.name.clone()).collect();
    for name in names {
        let site = Site::start().await;
        for first in prerequisites(&name) {
            site.ask(&required(&site, first), &json!({})).await;
        }
        let answer = site.ask(&required(&site, &name), &json!({})).await;
        assert_payload(&name, &answer);
        site.app.stop().await;
    }
}

#[tokio::test]
async fn the_events_of_subscriptions() {
    let site = Site::start().await;
    let fields = &site.schema.of("Subscription").fields;
    let mut sockets = BTreeMap::new();
    for field in fields {
        let mut socket = site.app.socket(&site.ana).await;
        let document = format!("subscription {{ {} {{ {} }} }}", field.name, site.schema.select(field.of.named(), 2));
        socket.subscribe("1", &document, json!({})).await;
        sockets.insert(field.name.as_str(), socket);
    }
    // Each socket answers this query after it has subscribed.
    // The current numbers come at once.
    let counts = sockets.remove("threadCountsUpdated").expect("a subscription").event().await;
    assert_payload("threadCountsUpdated", &counts);
    for socket in sockets.values_mut() {
        socket.subscribe("2", "{ viewer { key } }", json!({})).await;
        assert_eq!(socket.event().await["viewer"]["key"], "ana");
        assert_eq!(socket.next().await.unwrap()["type"], "complete");
    }
    // Each event is read before the next one is caused: it shows its subject as it is when it is sent.
    // Nobody is in the pool of this number, so the admin is notified.
    site.app.receive(Text::new("SMevent").from("+13035560009").to(EMPTY).body("an event")).await;
    for name in ["inboundMessage", "notificationAdded", "threadUpdated"] {
        let event = sockets.remove(name).expect("a subscription").event().await;
        assert_payload(name, &event);
    }
    let read = "mutation($id: ID!) { markThreadRead(input: {threadId: $id}) { userErrors { code } } }";
    site.ask(read, &json!({"id": site.app.thread_of("SMevent").await.id.to_string()})).await;
    let event = sockets.remove("viewerUpdated").expect("a subscription").event().await;
    assert_payload("viewerUpdated", &event);
    let view = "mutation($id: ID!) { setPresence(input: {threadId: $id, state: VIEWING}) { userErrors { code } } }";
    site.ask(view, &json!({"id": site.app.thread_of("SMevent").await.id.to_string()})).await;
    let event = sockets.remove("presenceUpdated").expect("a subscription").event().await;
    assert_payload("presenceUpdated", &event);
    let away = "mutation { setAvailability(input: {availability: AWAY}) { userErrors { code } } }";
    site.ask(away, &json!({})).await;
    let event = sockets.remove("directoryUpdated").expect("a subscription").event().await;
    assert_payload("directoryUpdated", &event);
    let mut calls = sockets.remove("callUpdated").expect("a subscription");
    let prompt = site.app.reach_voicemail_prompt("CAevent").await;
    assert!(calls.event().await["callUpdated"]["call"]["voicemail"].is_null());
    let recorded = [("RecordingSid", "RE1"), ("RecordingDuration", "5")];
    site.app.document(&attribute(&prompt, "action"), &form("CAevent", &recorded)).await;
    assert_payload("callUpdated", &calls.event().await);
    assert!(sockets.is_empty(), "without a cause of an event: {:?}", sockets.keys());
}
