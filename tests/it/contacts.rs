//! Changes of a contact: permissions, events for other users, and effects on the threads.

use partyline::domain::EventKind;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::directory::{DESK, EMPTY, NURSES};
use crate::support::{TestApp, Text};

const UPDATE: &str = "mutation($input: UpdateContactInput!) { updateContact(input: $input) {
    contact { id name note provider { key } } userErrors { code path } } }";

async fn update(app: &TestApp, user: &str, input: Value) -> Value {
    let answer = app.graphql(&app.token("acme", user), UPDATE, json!({"input": input})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["updateContact"].clone()
}

async fn contact_of(app: &TestApp, sid: &str) -> Value {
    json!(app.thread_of(sid).await.contact_id.to_string())
}

#[tokio::test]
async fn renaming_a_contact_sends_an_event_for_its_threads() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    app.receive(Text::new("SM1").from("+13035560009")).await;
    app.receive(Text::new("SM2").from("+13035560009").to(NURSES)).await;
    let contact = contact_of(&app, "SM1").await;
    let live = "subscription($after: EventCursor) { threadUpdated(after: $after) {
        change thread { phoneNumber { e164 } revision contact { name note } } } }";
    let mut socket = app.socket(&app.token("acme", "chloe")).await;
    socket.subscribe("1", live, json!({"after": app.cursor(&ben).await})).await;
    let changed =
        update(&app, "ben", json!({"contactId": contact, "name": "Özge Kaya", "note": "Prefers mornings"})).await;
    let expected = json!({"id": contact, "name": "Özge Kaya", "note": "Prefers mornings", "provider": null});
    assert_eq!(changed, json!({"contact": expected, "userErrors": []}));
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let event = socket.event().await["threadUpdated"].clone();
        assert_eq!((&event["change"], &event["thread"]["contact"]["name"]), (&json!("CONTACT"), &json!("Özge Kaya")));
        numbers.push(event["thread"]["phoneNumber"]["e164"].clone());
    }
    numbers.sort_by_key(Value::to_string);
    assert_eq!(numbers, [DESK, NURSES]);
    let found = app.graphql(&ben, "{ contacts(search: \"özge\") { totalCount } }", json!({})).await;
    assert_eq!(found["data"]["contacts"]["totalCount"], 1);
    // Absent fields stay, null empties.
    let changed = update(&app, "ben", json!({"contactId": contact, "note": null})).await;
    assert_eq!((&changed["contact"]["name"], &changed["contact"]["note"]), (&json!("Özge Kaya"), &Value::Null));
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn invalid_and_forbidden_changes_are_refused() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").from("+13035560009")).await;
    let contact = contact_of(&app, "SM1").await;
    let dev = app.user_id("acme", "dev").await;
    for (user, change, code, field) in [
        ("ben", json!({"name": " "}), "INVALID", "name"),
        ("ben", json!({"name": "a".repeat(201)}), "INVALID", "name"),
        ("ben", json!({"note": "a".repeat(4_001)}), "INVALID", "note"),
        ("ben", json!({"providerId": dev}), "FORBIDDEN", "providerId"),
        ("ana", json!({"providerId": "usr_x"}), "NOT_FOUND", "providerId"),
        ("dev", json!({"name": "Hidden"}), "NOT_FOUND", "contactId"),
    ] {
        let mut input = change.clone();
        input["contactId"] = contact.clone();
        let errors = update(&app, user, input).await["userErrors"].clone();
        assert_eq!(errors, json!([{"code": code, "path": ["input", field]}]), "{user} {change}");
    }
}

#[tokio::test]
async fn a_former_provider_loses_the_thread_and_gets_a_final_event() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    // Nobody is eligible at the desk, so the text of Tom goes to his provider, Dev.
    let muted = "{user: chloe, smsEnabled: false}, {user: ben, smsEnabled: false}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: '{DESK}', pool: [{muted}]}}]}}]")).await;
    app.receive(Text::new("SM1").from("+13035560002")).await;
    let (thread, contact) = (app.thread_of("SM1").await.id.to_string(), contact_of(&app, "SM1").await);
    let dev = app.token("acme", "dev");
    assert_eq!(app.all_threads(&dev).await, [json!(thread)]);
    let live = "subscription($after: EventCursor) { threadUpdated(after: $after) { threadId thread { id } } }";
    let mut socket = app.socket(&dev).await;
    socket.subscribe("1", live, json!({"after": app.cursor(&ana).await})).await;
    let changed = update(&app, "ana", json!({"contactId": contact, "providerId": null})).await;
    assert_eq!(changed["userErrors"], json!([]));
    assert_eq!(socket.event().await["threadUpdated"], json!({"threadId": thread, "thread": null}));
    assert_eq!(app.all_threads(&dev).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_opt_out_in_one_thread_is_announced_in_the_others() {
    let app = TestApp::start().await;
    let chloe = app.token("acme", "chloe");
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2").to(NURSES)).await;
    let live = "subscription($after: EventCursor) { threadUpdated(after: $after) {
        change thread { phoneNumber { e164 } replyBlock } } }";
    let mut socket = app.socket(&chloe).await;
    socket.subscribe("1", live, json!({"after": app.cursor(&chloe).await})).await;
    app.receive(Text::new("SMstop").body("STOP")).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let event = socket.event().await["threadUpdated"].clone();
        assert_eq!(event["thread"]["replyBlock"], "OPTED_OUT", "{event}");
        seen.push((event["change"].clone(), event["thread"]["phoneNumber"]["e164"].clone()));
    }
    seen.sort_by_key(|(change, _)| change.to_string());
    assert_eq!(seen, [(json!("CONTACT"), json!(NURSES)), (json!("INBOUND"), json!(DESK))]);
    let stopped = "{ contacts(optedOut: true) { nodes { address optedOut optedOutAt } } }";
    let listed = app.graphql(&chloe, stopped, json!({})).await["data"]["contacts"]["nodes"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["address"], listed[0]["optedOutAt"].is_string()), (&json!("+13035560001"), true));
}

#[tokio::test]
async fn an_opt_out_in_a_batch_of_texts_is_announced_once_per_thread() {
    let app = TestApp::start().await;
    let agency = app.agency("acme").await;
    for (sid, number) in [("SM1", DESK), ("SM2", NURSES), ("SM3", EMPTY)] {
        app.receive(Text::new(sid).to(number)).await;
    }
    let mut others = [app.thread_of("SM2").await.id, app.thread_of("SM3").await.id];
    others.sort();
    let before = app.events(agency).await.len();
    // The batch also changes the thread of the nurses, by a text that sounds like an opt-out. The texts arrive in any
    // order, and only one STOP is the first.
    let batch = [
        Text::new("SM4").body("STOP"),
        Text::new("SM5").body("STOP"),
        Text::new("SM6").to(NURSES).body("please take me off your list"),
    ];
    assert_eq!(app.post_as_one_batch(agency, &batch).await, [StatusCode::OK; 3]);
    let events = app.events(agency).await.split_off(before);
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::InboundMessage).count(), batch.len());
    let announced = events.iter().filter(|event| event.kind == EventKind::ContactUpdated);
    let mut announced: Vec<_> = announced.map(|event| event.thread_id.unwrap()).collect();
    announced.sort();
    assert_eq!(announced, others, "once in each thread except the one with the STOP");
    let contacts = app.contacts_at(agency, "+13035560001").await;
    assert!(contacts[0].opted_out_at.is_some());
    assert_eq!(app.thread_of("SM2").await.opt_out_hint_id, None);
    app.assert_logs_are_gapless().await;
}

/// A page of the contacts that Ana sees.
async fn page(app: &TestApp, arguments: &str) -> Value {
    let query = format!(
        "{{ contacts({arguments}) {{ nodes {{ address name }} totalCount pageInfo {{ \
         hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    let answer = app.graphql(&app.token("acme", "ana"), &query, json!({})).await;
    assert!(answer.get("errors").is_none(), "{arguments}: {answer}");
    answer["data"]["contacts"].clone()
}

fn addresses(page: &Value) -> Vec<String> {
    page["nodes"].as_array().unwrap().iter().map(|node| node["address"].as_str().unwrap().to_owned()).collect()
}

/// Contacts in an agency in addition to Carla Ruiz and Tom Becker: names that differ in case and accents only, names in
/// another script, and two contacts without a name.
async fn start_with_names() -> TestApp {
    let app = TestApp::start().await;
    let named = [
        ("+13035560010", "Zoë Adams"),
        ("+13035560011", "Élodie Martin"),
        ("+13035560012", "elodie MARTIN"),
        ("+13035560013", "ÖZGE Kaya"),
        ("+13035560014", "Борис"),
        ("+13035560015", "anton Berg"),
    ];
    let named = json!(named.map(|(phone, name)| json!({"phone": phone, "name": name})));
    app.apply(&format!("agencies: [{{key: acme, contacts: {named}}}]")).await;
    app.receive(Text::new("SMnameless1").from("+13035560021")).await;
    app.receive(Text::new("SMnameless2").from("+13035560022")).await;
    app
}

/// The last digits of the contacts in the order of their names: anton, Carla, Élodie, elodie, ÖZGE, Tom, Zoë, Борис.
const BY_NAME: [&str; 10] = ["0015", "0001", "0011", "0012", "0013", "0002", "0010", "0014", "0021", "0022"];

fn by_name() -> Vec<String> {
    BY_NAME.map(|digits| format!("+1303556{digits}")).to_vec()
}

#[tokio::test]
async fn contacts_are_listed_by_name_regardless_of_case_and_accents() {
    let app = start_with_names().await;
    assert_eq!(addresses(&page(&app, "orderBy: NAME").await), by_name());
    assert_eq!(addresses(&page(&app, "orderBy: RECENT").await), addresses(&page(&app, "first: 25").await));
    let found = page(&app, "orderBy: NAME, search: \"martin\"").await;
    assert_eq!((addresses(&found), &found["totalCount"]), (by_name()[2..4].to_vec(), &json!(2)));
    let contact = contact_of(&app, "SMnameless2").await;
    for (name, place) in [(json!("Åke"), 0), (json!("Ågot"), 0), (json!("ødegaard"), 7), (Value::Null, 9)] {
        update(&app, "ana", json!({"contactId": contact, "name": name})).await;
        let listed = addresses(&page(&app, "orderBy: NAME").await);
        assert_eq!(listed.iter().position(|address| address == "+13035560022"), Some(place), "{name}");
    }
}

#[tokio::test]
async fn pages_by_name_contain_each_contact_once_in_both_directions() {
    let app = start_with_names().await;
    for size in [1, 3, 4] {
        for (count, cursor, more, bound) in
            [("first", "after", "hasNextPage", "endCursor"), ("last", "before", "hasPreviousPage", "startCursor")]
        {
            let (mut pages, mut at) = (Vec::new(), String::new());
            loop {
                let read = page(&app, &format!("orderBy: NAME, {count}: {size}{at}")).await;
                pages.push(addresses(&read));
                if read["pageInfo"][more] == false {
                    break;
                }
                at = format!(", {cursor}: {}", read["pageInfo"][bound]);
            }
            if count == "last" {
                pages.reverse();
            }
            assert_eq!(pages.concat(), by_name(), "{count}: {size}");
        }
    }
}

#[tokio::test]
async fn cursors_of_another_order_are_refused() {
    let app = start_with_names().await;
    let ana = app.token("acme", "ana");
    let recent = page(&app, "first: 1").await["pageInfo"]["endCursor"].clone();
    let name = page(&app, "orderBy: NAME, first: 1").await["pageInfo"]["endCursor"].clone();
    for (order, cursor) in [("NAME", &recent), ("RECENT", &name), ("NAME", &json!("n")), ("NAME", &json!(""))] {
        for argument in ["after", "before"] {
            let query = format!("{{ contacts(orderBy: {order}, {argument}: {cursor}) {{ totalCount }} }}");
            let answer = app.graphql(&ana, &query, json!({})).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query}: {answer}");
        }
    }
}
