//! The call settings of a number, through the API and the directory file, and their authorization.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::directory::DESK;
use crate::support::voice::{INBOUND, form};

const UPDATE: &str = include_str!("../documents/calls_settings_update.graphql");

pub(super) async fn update(app: &TestApp, user: &str, mut input: Value) -> Value {
    let number = app.directory("acme").await.numbers.iter().find(|row| row.e164 == DESK).unwrap().id;
    input["phoneNumberId"] = json!(number.to_string());
    let mut answer = app.graphql(&app.token("acme", user), UPDATE, json!({"input": input})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["updatePool"].take()
}

#[tokio::test]
async fn hours_holidays_and_greetings_take_effect_on_commit() {
    let app = TestApp::start_with_phones().await;
    let closed = async |sid: &str| app.document(INBOUND, &form(sid, &[])).await.contains("<Record ");
    assert!(!closed("CA1").await);
    // The mock clock starts on a Monday at 8 in the morning in Denver.
    let hours = json!([{"day": "MON", "spans": ["09:00-12:00", "13:00-17:00"]}]);
    let payload =
        update(&app, "ana", json!({"hours": hours, "greeting": "Good morning.", "ringStrategy": "SEQUENTIAL"})).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!((&payload["pool"]["hours"], &payload["pool"]["ringStrategy"]), (&hours, &json!("SEQUENTIAL")));
    assert!(closed("CA2").await);
    app.clock.advance(Duration::from_secs(3600));
    assert!(!closed("CA3").await);
    assert!(app.document(INBOUND, &form("CA4", &[])).await.contains("Good morning."));
    update(&app, "ana", json!({"holidays": ["2026-11-23"]})).await;
    assert!(closed("CA5").await);
    let payload = update(&app, "ana", json!({"holidays": [], "hours": null, "greeting": null})).await;
    assert_eq!((&payload["pool"]["hours"], &payload["pool"]["greeting"]), (&Value::Null, &Value::Null));
    assert!(!closed("CA6").await);
    update(&app, "ana", json!({"hours": []})).await;
    assert!(closed("CA7").await, "no days: always closed");
    let keyed = app.document(INBOUND, &form("CA9", &[("Digits", "101")])).await;
    assert!(keyed.contains("<Record "), "digits in the first request do not bypass the hours: {keyed}");
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", hours: {mon: [\"08:00-18:00\"]}, voicemailGreeting: Speak.}]}]").await;
    assert!(!closed("CA8").await);
}

#[tokio::test]
async fn invalid_settings_are_refused_with_their_path() {
    let app = TestApp::start_with_phones().await;
    for (input, field) in [
        (json!({"ringSeconds": 9}), "ringSeconds"),
        (json!({"ringSeconds": 61}), "ringSeconds"),
        (json!({"greeting": "  "}), "greeting"),
        (json!({"greeting": "a".repeat(1_001)}), "greeting"),
        (json!({"missedCallText": ""}), "missedCallText"),
        (json!({"hours": [{"day": "MON", "spans": ["9-17"]}]}), "hours"),
        (json!({"hours": [{"day": "MON", "spans": ["09:00-09:00"]}]}), "hours"),
        (json!({"hours": [{"day": "MON", "spans": []}, {"day": "MON", "spans": []}]}), "hours"),
        (json!({"holidays": ["25.12.2026"]}), "holidays"),
        (json!({"holidays": ["2026-12-25", "2026-12-25"]}), "holidays"),
    ] {
        let payload = update(&app, "ana", input.clone()).await;
        assert_eq!(payload["userErrors"], json!([{"code": "INVALID", "path": ["input", field]}]), "{input}");
    }
    assert_eq!(update(&app, "ben", json!({"ringSeconds": 30})).await["userErrors"][0]["code"], "FORBIDDEN");
    let problems = app
        .try_apply("agencies: [{key: acme, callingCountries: [usa], users: [{key: ben, phone: \"+19005550123\"}], phoneNumbers: [{number: \"+13035550100\", ringSeconds: 5, greeting: \"\"}]}]")
        .await
        .unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "agencies[0].callingCountries[0]",
            "agencies[0].users[0].phone",
            "agencies[0].phoneNumbers[0].ringSeconds",
            "agencies[0].phoneNumbers[0].greeting"
        ]
    );
}
