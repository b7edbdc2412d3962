//! A text that resembles a request to stop shows a hint, and a user decides.

use partyline::domain::{ActivityKind, EventKind};
use partyline::entity::activity;
use sea_orm::{EntityTrait as _, QueryOrder as _};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::directory::{DESK, NURSES, OTHER, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::{TestApp, Text};

const CARLA: &str = "+13035560001";

/// The body of each thread's hint as this user sees it, oldest thread first.
async fn hints(app: &TestApp, token: &SecretString) -> Vec<Value> {
    let query = "{ threads(first: 100) { nodes { id optOutHint { body thread { id } } } } }";
    let answer = app.graphql(token, query, json!({})).await;
    let mut nodes = answer["data"]["threads"]["nodes"].as_array().unwrap().clone();
    nodes.sort_by_key(|node| node["id"].as_str().unwrap().to_owned());
    for node in nodes.iter().filter(|node| !node["optOutHint"].is_null()) {
        assert_eq!(node["optOutHint"]["thread"]["id"], node["id"]);
    }
    nodes.into_iter().map(|mut node| node["optOutHint"]["body"].take()).collect()
}

async fn kinds(app: &TestApp) -> Vec<ActivityKind> {
    let rows = activity::Entity::find().order_by_asc(activity::Column::Id).all(app.db()).await.unwrap();
    rows.into_iter().map(|row| row.kind).collect()
}

async fn set_opt_out(app: &TestApp, opted_out: bool) {
    let agency = app.agency("acme").await;
    let contact = app.contacts_at(agency, CARLA).await[0].id.to_string();
    let document = "mutation($id: ID!, $out: Boolean!) {
        setOptOut(input: {contactId: $id, optedOut: $out, reason: \"asked on the phone\"}) { userErrors { code } } }";
    let answer = app.graphql(&app.token("acme", "ana"), document, json!({"id": contact, "out": opted_out})).await;
    assert_eq!(answer["data"]["setOptOut"]["userErrors"], json!([]));
}

async fn is_opted_out(app: &TestApp) -> bool {
    app.contacts_at(app.agency("acme").await, CARLA).await[0].opted_out_at.is_some()
}

#[tokio::test]
async fn the_last_text_that_resembles_a_request_to_stop_is_shown_to_all_users_and_changes_nothing_else() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    app.receive(Text::new("SM1")).await;
    assert_eq!(hints(&app, &ben).await, [Value::Null]);
    for (sid, body) in
        [("SM2", "please stop texting me"), ("SM3", "I'll stop by at 5"), ("SM4", "take me off your list")]
    {
        app.receive(Text::new(sid).body(body)).await;
    }
    for token in [&ana, &ben, &app.token("acme", "chloe")] {
        assert_eq!(hints(&app, token).await, [json!("take me off your list")]);
    }
    assert!(!is_opted_out(&app).await);
    assert_eq!(kinds(&app).await, [ActivityKind::OptOutHinted, ActivityKind::OptOutHinted]);
    // The activity shows the kind, and replies are still possible.
    let thread = app.all_threads(&ben).await[0].clone();
    let history = "query($id: ID!) { node(id: $id) { ... on Thread { activity { nodes { kind actor { key } } } } } }";
    let shown = app.graphql(&ben, history, json!({"id": thread})).await;
    assert_eq!(shown["data"]["node"]["activity"]["nodes"][0], json!({"kind": "OPT_OUT_HINTED", "actor": null}));
    assert_eq!(app.reply(&ben, &thread, "we will", json!({})).await["userErrors"], json!([]));
    assert_eq!(hints(&app, &ben).await, [json!("take me off your list")]);
}

#[tokio::test]
async fn an_admins_decision_either_way_resolves_the_hints_of_all_threads_of_the_contact() {
    for opted_out in [true, false] {
        let app = TestApp::start().await;
        let ana = app.token("acme", "ana");
        app.receive(Text::new("SM1").body("please stop texting me")).await;
        app.receive(Text::new("SM2").to(NURSES).body("no more messages")).await;
        app.receive(Text::new("SM3").from("+13035560003").body("remove me")).await;
        let before = app.events(app.agency("acme").await).await.len();
        set_opt_out(&app, opted_out).await;
        assert_eq!(hints(&app, &ana).await, [Value::Null, Value::Null, json!("remove me")], "{opted_out}");
        assert_eq!(is_opted_out(&app).await, opted_out);
        let events = app.events(app.agency("acme").await).await.split_off(before);
        let mut updated: Vec<_> = events.iter().map(|event| event.thread_id.unwrap()).collect();
        updated.sort();
        let mut expected = vec![app.thread_of("SM1").await.id, app.thread_of("SM2").await.id];
        expected.sort();
        assert_eq!(updated, expected, "subscribers of both threads receive an event");
        let settled = if opted_out { ActivityKind::OptedOut } else { ActivityKind::OptedIn };
        assert_eq!(kinds(&app).await.split_off(3), [settled, settled]);
        // A repeated call changes nothing.
        set_opt_out(&app, opted_out).await;
        assert_eq!(app.events(app.agency("acme").await).await.len(), before + 2);
    }
}

#[tokio::test]
async fn a_stop_resolves_the_hints_of_all_threads_but_a_yes_or_start_does_not() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    app.receive(Text::new("SM1").body("please stop texting me")).await;
    for (sid, body) in [("SM2", "YES"), ("SM3", "START"), ("SM4", "HELP"), ("SM5", "hello")] {
        app.receive(Text::new(sid).to(NURSES).body(body)).await;
        assert_eq!(hints(&app, &ana).await, [json!("please stop texting me"), Value::Null], "{body}");
    }
    let before = app.events(app.agency("acme").await).await.len();
    app.receive(Text::new("SM6").to(NURSES).body("Stop.")).await;
    assert_eq!(hints(&app, &ana).await, [Value::Null, Value::Null]);
    let events = app.events(app.agency("acme").await).await.split_off(before);
    let seen: Vec<_> = events.iter().map(|event| (event.kind, event.thread_id.unwrap())).collect();
    let (desk, nurses) = (app.thread_of("SM1").await.id, app.thread_of("SM6").await.id);
    assert_eq!(seen, [(EventKind::InboundMessage, nurses), (EventKind::ContactUpdated, desk)]);
    // A contact who has already opted out needs no hint.
    app.receive(Text::new("SM7").body("please stop texting me")).await;
    assert_eq!(hints(&app, &ana).await, [Value::Null, Value::Null]);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn of_simultaneous_texts_the_last_one_applies() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let texts = ["please stop texting me", "STOP", "START", "no more texts"].into_iter().enumerate();
    for (n, body) in texts {
        app.receive(Text::new(format!("SM{n}")).body(body)).await;
    }
    assert_eq!(hints(&app, &ana).await, [json!("no more texts")]);
    let burst: Vec<Text> = (0..20)
        .map(|n| Text::new(format!("SMb{n}")).to(if n % 2 == 0 { DESK } else { NURSES }).body("remove me"))
        .collect();
    assert!(app.post_all(&burst).await.iter().all(|status| *status == 200));
    assert_eq!(hints(&app, &ana).await, [json!("remove me"), json!("remove me")]);
}

#[tokio::test]
async fn the_same_phone_at_another_agency_shows_no_hint() {
    let app = TestApp::start().await;
    let other = |sid: &str| Text::new(sid).to(OTHER).account(OTHER_ACCOUNT, OTHER_TOKEN);
    app.receive(other("SM1").body("remove me")).await;
    app.receive(Text::new("SM2").body("please stop texting me")).await;
    set_opt_out(&app, true).await;
    assert_eq!(hints(&app, &app.token("other", "olga")).await, [json!("remove me")]);
    app.receive(other("SM3").body("STOP")).await;
    assert_eq!(hints(&app, &app.token("other", "olga")).await, [Value::Null]);
}

#[tokio::test]
async fn the_inbox_takes_two_statements_with_hints_and_one_without() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let query = "{ threads(first: 50) { nodes { id contact { name } lastMessage { body } optOutHint { body } } } }";
    for n in 0..10 {
        app.text(format!("+1303556{n:04}"), DESK, "hello").await;
    }
    let ask = || app.graphql(&ana, query, json!({}));
    ask().await;
    assert_eq!(app.statements_during(ask()).await, 1);
    for n in 0..10 {
        app.text(format!("+1303556{n:04}"), DESK, "please stop texting me").await;
    }
    assert_eq!(app.statements_during(ask()).await, 2);
}
