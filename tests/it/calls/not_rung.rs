//! The users whose phones did not ring for a call, with the reasons at the time of the call.

use serde_json::{Value, json};

use super::settings::update;
use crate::support::TestApp;
use crate::support::voice::{BEN, CHLOE, INBOUND, attribute, form, phones};

/// The users as "key REASON", in the order of their IDs, as Ana sees them.
async fn not_rung(app: &TestApp, sid: &str) -> Vec<String> {
    let query = "query($id: ID!) { node(id: $id) { ... on Call { notRung { user { key } reason } } } }";
    let id = app.call(sid).await.id.to_string();
    let answer = app.graphql(&app.token("acme", "ana"), query, json!({"id": id})).await;
    let entries = answer["data"]["node"]["notRung"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let entry =
        |entry: &Value| format!("{} {}", entry["user"]["key"].as_str().unwrap(), entry["reason"].as_str().unwrap());
    entries.iter().map(entry).collect()
}

/// Carla calls the front desk and dials these digits. Returns the document that follows.
async fn dial(app: &TestApp, sid: &str, digits: &str) -> String {
    let greeting = app.document(INBOUND, &form(sid, &[])).await;
    app.document(&attribute(&greeting, "action"), &form(sid, &[("Digits", digits)])).await
}

async fn set_availability(app: &TestApp, user: &str, availability: &str) {
    let document =
        format!("mutation {{ setAvailability(input: {{availability: {availability}}}) {{ userErrors {{ code }} }} }}");
    let answer = app.graphql(&app.token("acme", user), &document, json!({})).await;
    assert_eq!(answer["data"]["setAvailability"]["userErrors"], json!([]), "{answer}");
}

/// A pool of the front desk in which each member but Ben has another reason.
const MEMBERS: &str = r#"
agencies:
  - key: acme
    users:
      - {key: chloe, phoneVerified: false}
      - {key: eve, name: Eve Moss, role: MEMBER}
      - {key: fay, name: Fay Wong, role: MEMBER, phone: "+13035550116", phoneVerified: true}
    phoneNumbers:
      - number: "+13035550100"
        pool: [{user: ana, voiceEnabled: false}, {user: ben}, {user: chloe}, {user: dev}, {user: eve}, {user: fay}]
"#;

#[tokio::test]
async fn each_member_whose_phone_did_not_ring_is_listed_with_the_reason_of_that_time() {
    let app = TestApp::start_with_phones().await;
    app.apply(MEMBERS).await;
    app.apply("agencies: [{key: acme, users: [{key: fay, active: false}]}]").await;
    set_availability(&app, "dev", "AWAY").await;
    let rung: Vec<String> = phones(&dial(&app, "CA1", "").await).into_iter().map(|(phone, _)| phone).collect();
    assert_eq!(rung, [BEN]);
    let expected = ["ana VOICE_OFF", "chloe NOT_VERIFIED", "dev AWAY", "eve NO_PHONE", "fay INACTIVE"];
    assert_eq!(not_rung(&app, "CA1").await, expected);
    // Later changes of the directory do not change earlier calls.
    set_availability(&app, "dev", "AVAILABLE").await;
    app.apply("agencies: [{key: acme, users: [{key: chloe, phoneVerified: true}, {key: fay, active: true}]}]").await;
    app.reach_voicemail_prompt("CA2").await;
    assert_eq!(not_rung(&app, "CA1").await, expected);
    assert_eq!(not_rung(&app, "CA2").await, ["ana VOICE_OFF", "eve NO_PHONE"]);
}

#[tokio::test]
async fn a_call_to_an_extension_lists_only_its_user() {
    let app = TestApp::start_with_phones().await;
    for user in ["chloe", "dev"] {
        set_availability(&app, user, "AWAY").await;
    }
    assert!(dial(&app, "CA1", "101").await.contains("<Record "));
    assert_eq!(not_rung(&app, "CA1").await, ["dev AWAY"]);
    set_availability(&app, "dev", "AVAILABLE").await;
    assert!(dial(&app, "CA2", "101").await.contains("<Dial"));
    assert_eq!(not_rung(&app, "CA2").await, [""; 0]);
}

#[tokio::test]
async fn calls_that_are_not_put_through_list_nobody() {
    let app = TestApp::start_with_phones().await;
    set_availability(&app, "chloe", "AWAY").await;
    app.document(INBOUND, &form("CAgreeting", &[])).await;
    assert_eq!(not_rung(&app, "CAgreeting").await, [""; 0]);
    update(&app, "ana", json!({"schedule": {"kind": "WEEKLY", "days": []}})).await;
    assert!(app.document(INBOUND, &form("CAclosed", &[])).await.contains("<Record "));
    assert_eq!(not_rung(&app, "CAclosed").await, [""; 0]);
}

#[tokio::test]
async fn a_user_whose_phone_rings_in_a_later_step_is_not_listed() {
    let app = TestApp::start_with_phones().await;
    update(&app, "ana", json!({"ringStrategy": "SEQUENTIAL"})).await;
    set_availability(&app, "chloe", "AWAY").await;
    let ring = dial(&app, "CA1", "").await;
    assert_eq!(phones(&ring).len(), 1);
    assert_eq!(not_rung(&app, "CA1").await, ["chloe AWAY"]);
    set_availability(&app, "chloe", "AVAILABLE").await;
    let unanswered = form("CA1", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
    let next = app.document(&attribute(&ring, "action"), &unanswered).await;
    assert_eq!(phones(&next)[0].0, CHLOE);
    assert_eq!(not_rung(&app, "CA1").await, [""; 0]);
}
