//! Every argument of every subscription: equivalent subscriptions receive the same events.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::schema::Schema;
use super::{Expected, Pair, Place, Site, pairs};
use crate::support::directory::{DESK, EMPTY};
use crate::support::socket::Socket;
use crate::support::{Text, wait};

/// Triggers an event for each subscription.
async fn trigger_events(site: &Site, serial: u32) {
    // A text to a number without a pool notifies the admins, and Ana is one.
    for (number, name) in [(DESK, "desk"), (EMPTY, "empty")] {
        site.app.receive(Text::new(format!("SM{name}{serial}")).from("+13035560005").to(number)).await;
    }
    site.app.leave_voicemail(&format!("CAstir{serial}")).await;
    let availability = if serial.is_multiple_of(2) { "AWAY" } else { "AVAILABLE" };
    let document =
        format!("mutation {{ setAvailability(input: {{availability: {availability}}}) {{ userErrors {{ code }} }} }}");
    site.ask(&document, &json!({})).await;
    let state = if serial.is_multiple_of(2) { "VIEWING" } else { "COMPOSING" };
    let presence = format!(
        "mutation {{ setPresence(input: {{threadId: {}, state: {state}}}) {{ userErrors {{ code }} }} }}",
        site.nodes["Thread"]
    );
    site.ask(&presence, &json!({})).await;
    site.app.clock.advance(Duration::from_secs(1));
    site.app.services().presence.expire();
}

/// Collects the events of both subscriptions by their cursors until they share one; an error ends the wait, too.
async fn follow(site: &Site, socket: &mut Socket, field: &str, serial: &mut u32) -> [BTreeMap<String, Value>; 2] {
    let mut events = [BTreeMap::new(), BTreeMap::new()];
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let following = async {
        loop {
            let message = tokio::select! {
                message = socket.next() => message.unwrap(),
                // The start of a subscription is not visible to the client, so events are triggered until both deliver.
                _ = ticks.tick() => {
                    *serial += 1;
                    trigger_events(site, *serial).await;
                    continue;
                }
            };
            let place = match message["id"].as_str() {
                Some("variable") => 0,
                Some("literal") => 1,
                _ => continue,
            };
            let (key, event) = match message["type"].as_str() {
                Some("next") => {
                    let event = &message["payload"]["data"][field];
                    // State has no cursor, so it is recognized by its value.
                    let key = event["cursor"].as_str().map_or_else(|| event.to_string(), str::to_owned);
                    (key, without_later_changes(message["payload"].clone(), field))
                }
                _ => ("error".to_owned(), message),
            };
            let is_shared = events[1 - place].contains_key(&key);
            events[place].insert(key, event);
            if is_shared {
                return;
            }
        }
    };
    wait::within("an event", following).await;
    events
}

/// Replaces threads and calls by their ids: a replayed event shows their current state, which the triggers change.
fn without_later_changes(mut payload: Value, field: &str) -> Value {
    for subject in ["thread", "call"] {
        if let Some(shown) = payload["data"][field].get_mut(subject) {
            *shown = shown["id"].take();
        }
    }
    payload
}

async fn compare(site: &Site, pair: &Pair, field: &str, serial: &mut u32) -> Option<String> {
    let mut socket = site.app.socket(&site.ana).await;
    socket.subscribe("variable", &pair.document, pair.variables.clone()).await;
    socket.subscribe("literal", &pair.literal, json!({})).await;
    let [with_variable, with_literal] = follow(site, &mut socket, field, serial).await;
    let shared = with_variable.iter().filter(|(cursor, _)| with_literal.contains_key(*cursor));
    let mut right = true;
    for (cursor, event) in shared {
        right &= match pair.expected {
            Expected::Same => cursor != "error" && with_literal[cursor] == *event,
            Expected::Refused | Expected::RefusedByName | Expected::Missing => cursor == "error",
        };
    }
    let Pair { what, document, variables, .. } = pair;
    (!right).then(|| format!("{what}: {document:.300} {variables}\n  {with_variable:?}\n  {with_literal:?}"))
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn variables_in_subscriptions_behave_like_literals() {
    let site = Site::start().await;
    let schema: &Schema = &site.schema;
    let (mut wrong, mut tested, mut serial) = (Vec::new(), 0, 0);
    for field in &schema.of("Subscription").fields {
        let around = ("subscription{ ".to_owned(), " }".to_owned());
        let place = Place { field, around, selection: schema.select(field.of.named(), 1) };
        for path in schema.paths(&field.arguments) {
            for pair in pairs(&mut site.values(), &place, &path) {
                wrong.extend(compare(&site, &pair, &field.name, &mut serial).await);
                tested += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tested} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tested > 20, "{tested}");
}
