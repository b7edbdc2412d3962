//! `startThread` and `startCall` reveal nothing about a contact that the user has no access to.

use serde_json::{Value, json};

use crate::support::carrier::carrier;
use crate::support::directory::{DESK, NURSES};
use crate::support::voice::{CARLA, INBOUND, PHONES, form};
use crate::support::{TestApp, Text};

const CONTACT: &str = "id phone name provider { key } optedOut threads { id }";

fn stranger(contact: &Value, threads: usize) {
    let Value::Object(shown) = contact else { panic!("{contact}") };
    let expected =
        [("phone", json!(CARLA)), ("name", json!(null)), ("provider", json!(null)), ("optedOut", json!(false))];
    for (field, value) in expected {
        assert_eq!(shown[field], value, "{contact}");
    }
    assert_eq!(shown["threads"].as_array().unwrap().len(), threads, "{contact}");
}

/// Makes Carla a contact with a name, a provider, and a thread at a number that Ben has no access to.
async fn known_elsewhere(app: &TestApp) {
    app.apply("agencies: [{key: acme, contacts: [{phone: \"+13035560001\", name: Carla Ruiz, provider: dev}]}]").await;
    app.receive(Text::new("SMelsewhere").from(CARLA).to(NURSES)).await;
}

/// The contact of the user's only thread; asserts that searches and lists show the same.
async fn contact_of_thread(app: &TestApp, user: &str) -> Value {
    let query = format!(
        "{{ threads {{ nodes {{ contact {{ {CONTACT} }} }} }} byName: threads(filter: {{search: \"carla\"}}) {{ totalCount }}
            byPhone: threads(filter: {{search: \"+13035560001\"}}) {{ totalCount }}
            contacts {{ totalCount }} named: contacts(search: \"ruiz\") {{ totalCount }} }}"
    );
    let mut answer = app.graphql(&app.token("acme", user), &query, json!({})).await;
    assert_eq!(answer["data"]["byPhone"]["totalCount"], 1, "{answer}");
    let known = answer["data"]["byName"]["totalCount"].clone();
    for list in ["contacts", "named"] {
        assert_eq!(answer["data"][list]["totalCount"], known, "{list}: {answer}");
    }
    let mut contact = answer["data"]["threads"]["nodes"][0]["contact"].take();
    contact["found"] = known;
    contact
}

#[tokio::test]
async fn starting_a_thread_with_a_stranger_shows_only_the_phone_that_was_typed() {
    let app = TestApp::start().await;
    known_elsewhere(&app).await;
    let ben = app.token("acme", "ben");
    let document = format!(
        "mutation($number: ID) {{ startThread(input: {{phoneNumberId: $number, to: \"{CARLA}\", body: \"hello\",
            idempotencyKey: \"k\"}}) {{ thread {{ contact {{ {CONTACT} }} }} message {{ thread {{ contact {{ {CONTACT} }} }} }}
            userErrors {{ code }} }} }}"
    );
    let number = json!({"number": app.number_id("acme", DESK).await});
    // A repeated request gets the same response.
    for _ in 0..2 {
        let answer = app.graphql(&ben, &document, number.clone()).await;
        let payload = &answer["data"]["startThread"];
        stranger(&payload["thread"]["contact"], 1);
        stranger(&payload["message"]["thread"]["contact"], 1);
    }
    let contact = contact_of_thread(&app, "ben").await;
    stranger(&contact, 1);
    assert_eq!(contact["found"], 0);
    let node = format!("query($id: ID!) {{ node(id: $id) {{ ... on Contact {{ {CONTACT} }} }} }}");
    let by_id = app.graphql(&ben, &node, json!({"id": contact["id"]})).await;
    assert_eq!(by_id, json!({"data": {"node": null}}));
    // Chloe has access to the contact through the nurses' thread, and Ana to all contacts.
    for user in ["chloe", "ana"] {
        let query = format!("{{ threads {{ nodes {{ contact {{ {CONTACT} }} }} }} }}");
        let answer = app.graphql(&app.token("acme", user), &query, json!({})).await;
        for thread in answer["data"]["threads"]["nodes"].as_array().unwrap() {
            assert_eq!(thread["contact"]["name"], "Carla Ruiz", "{user}: {answer}");
            assert_eq!(thread["contact"]["provider"]["key"], "dev", "{user}: {answer}");
        }
    }
    // Once the contact writes to Ben's number, Ben has access.
    app.receive(Text::new("SMreply").from(CARLA).to(DESK)).await;
    let contact = contact_of_thread(&app, "ben").await;
    assert_eq!((&contact["name"], &contact["found"]), (&json!("Carla Ruiz"), &json!(1)));
}

#[tokio::test]
async fn a_text_to_an_opted_out_stranger_is_refused_without_further_details() {
    let app = TestApp::start().await;
    known_elsewhere(&app).await;
    app.receive(Text::new("SMstop").from(CARLA).to(NURSES).body("STOP")).await;
    let refused = app.start_thread(&app.token("acme", "ben"), CARLA, json!({})).await;
    assert_eq!((&refused["thread"], &refused["message"]), (&Value::Null, &Value::Null));
    assert_eq!(refused["userErrors"][0]["code"], "OPTED_OUT");
    let lists = "{ contacts { totalCount } threads { totalCount } }";
    let nothing = app.graphql(&app.token("acme", "ben"), lists, json!({})).await;
    assert_eq!(nothing, json!({"data": {"contacts": {"totalCount": 0}, "threads": {"totalCount": 0}}}));
}

#[tokio::test]
async fn calling_a_stranger_shows_only_the_phone_that_was_typed() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.apply(PHONES).await;
    known_elsewhere(&app).await;
    app.receive(Text::new("SMstop").from(CARLA).to(NURSES).body("STOP")).await;
    let document = format!(
        "mutation($number: ID) {{ startCall(input: {{phoneNumberId: $number, to: \"{CARLA}\"}}) {{
            call {{ id contact {{ {CONTACT} }} thread {{ contact {{ {CONTACT} }} }} }} userErrors {{ code }} }} }}"
    );
    let ben = app.token("acme", "ben");
    let answer = app.graphql(&ben, &document, json!({"number": app.number_id("acme", DESK).await})).await;
    let call = &answer["data"]["startCall"]["call"];
    stranger(&call["contact"], 1);
    stranger(&call["thread"]["contact"], 1);
    let listed = app.graphql(&ben, &format!("{{ calls {{ nodes {{ contact {{ {CONTACT} }} }} }} }}"), json!({})).await;
    stranger(&listed["data"]["calls"]["nodes"][0]["contact"], 1);
    stranger(&contact_of_thread(&app, "ben").await, 1);
    // Once the contact calls Ben's number, Ben has access.
    app.document(INBOUND, &form("CAback", &[])).await;
    app.wait_for_call_log().await;
    let contact = contact_of_thread(&app, "ben").await;
    assert_eq!((&contact["name"], &contact["optedOut"]), (&json!("Carla Ruiz"), &json!(true)));
}
