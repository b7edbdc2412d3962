//! Snapshots of the payload of every mutation and of an event of every subscription. The documents select every field
//! without arguments and are derived from the schema, so that a new field appears in the snapshots.
//!
//! After an intended change, run the tests with `INSTA_UPDATE=always` and review the difference.

use insta::{Settings, assert_snapshot};
use serde_json::{Value, json};

use super::Site;
use super::mutations::{prerequisites, required};
use crate::support::Text;
use crate::support::directory::EMPTY;

fn assert_payload(name: &str, payload: &Value) {
    let text = serde_json::to_string_pretty(payload).unwrap();
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots");
    settings.bind(|| assert_snapshot!(name, text));
}

#[tokio::test]
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
    let mut sockets = Vec::new();
    for field in fields {
        let mut socket = site.app.socket(&site.ana).await;
        let document = format!("subscription {{ {} {{ {} }} }}", field.name, site.schema.select(field.of.named(), 2));
        socket.subscribe("1", &document, json!({})).await;
        sockets.push((field.name.as_str(), socket));
    }
    // Each socket answers this query after it has subscribed.
    for (_, socket) in &mut sockets {
        socket.subscribe("2", "{ viewer { key } }", json!({})).await;
        assert_eq!(socket.event().await["viewer"]["key"], "ana");
        assert_eq!(socket.next().await.unwrap()["type"], "complete");
    }
    // Nobody is in the pool of this number, so the admin is notified.
    site.app.receive(Text::new("SMevent").from("+13035560009").to(EMPTY).body("an event")).await;
    let thread = site.app.thread_of("SMevent").await.id;
    let claim = format!("mutation {{ claimThread(input: {{threadId: \"{thread}\"}}) {{ userErrors {{ code }} }} }}");
    site.ask(&claim, &json!({})).await;
    let away = "mutation { setAvailability(input: {availability: AWAY}) { userErrors { code } } }";
    site.ask(away, &json!({})).await;
    site.app.leave_voicemail("CAevent").await;
    for (name, socket) in &mut sockets {
        assert_payload(name, &socket.event().await);
    }
}
