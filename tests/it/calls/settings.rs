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
    let spans = json!([{"opens": "09:00", "closes": "12:00"}, {"opens": "13:00", "closes": "17:00"}]);
    let days = json!([{"day": "MONDAY", "spans": spans}]);
    let input = json!({"schedule": {"kind": "WEEKLY", "days": days}, "greeting": "Good morning.", "ringStrategy": "SEQUENTIAL"});
    let pool = update(&app, "ana", input).await["pool"].take();
    let schedule = json!({"kind": "WEEKLY", "days": days, "holidays": []});
    assert_eq!((&pool["schedule"], &pool["ringStrategy"]), (&schedule, &json!("SEQUENTIAL")));
    assert_eq!((&pool["open"], &pool["changesAt"]), (&json!(false), &json!("2026-11-23T16:00:00.000000Z")));
    assert!(closed("CA2").await);
    app.clock.advance(Duration::from_secs(3600));
    assert!(!closed("CA3").await);
    assert!(app.document(INBOUND, &form("CA4", &[])).await.contains("Good morning."));
    let holidays = json!([{"date": "2026-11-23", "name": "Inventory"}]);
    let weekly = json!({"kind": "WEEKLY", "days": days, "holidays": holidays});
    let pool = update(&app, "ana", json!({"schedule": weekly})).await["pool"].take();
    assert_eq!((&pool["schedule"], &pool["open"]), (&weekly, &json!(false)));
    assert!(closed("CA5").await);
    let always = json!({"kind": "ALWAYS_OPEN", "holidays": []});
    let pool = update(&app, "ana", json!({"schedule": always, "greeting": null})).await["pool"].take();
    assert_eq!(pool["schedule"], json!({"kind": "ALWAYS_OPEN", "days": [], "holidays": []}));
    assert_eq!((&pool["greeting"], &pool["open"], &pool["changesAt"]), (&Value::Null, &json!(true), &Value::Null));
    assert!(!closed("CA6").await);
    update(&app, "ana", json!({"schedule": {"kind": "WEEKLY", "days": []}})).await;
    assert!(closed("CA7").await, "no days: always closed");
    let keyed = app.document(INBOUND, &form("CA9", &[("Digits", "101")])).await;
    assert!(keyed.contains("<Record "), "digits in the first request do not bypass the hours: {keyed}");
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", hours: {mon: [\"08:00-18:00\"]}, voicemailGreeting: Speak.}]}]").await;
    assert!(!closed("CA8").await);
}

#[tokio::test]
async fn invalid_settings_are_refused_with_their_path() {
    let app = TestApp::start_with_phones().await;
    let weekly = |days: Value| json!({"schedule": {"kind": "WEEKLY", "days": days}});
    let holidays = |days: Value| json!({"schedule": {"kind": "ALWAYS_OPEN", "holidays": days}});
    for (input, field) in [
        (json!({"ringSeconds": 9}), "ringSeconds"),
        (json!({"ringSeconds": 61}), "ringSeconds"),
        (json!({"greeting": "  "}), "greeting"),
        (json!({"greeting": "a".repeat(1_001)}), "greeting"),
        (json!({"missedCallText": ""}), "missedCallText"),
        (weekly(json!([{"day": "MONDAY", "spans": [{"opens": "9", "closes": "17"}]}])), "schedule"),
        (weekly(json!([{"day": "MONDAY", "spans": [{"opens": "09:00", "closes": "09:00"}]}])), "schedule"),
        (weekly(json!([{"day": "MONDAY", "spans": [{"opens": "24:00", "closes": "09:00"}]}])), "schedule"),
        (weekly(json!([{"day": "MONDAY", "spans": []}, {"day": "MONDAY", "spans": []}])), "schedule"),
        (weekly(Value::Null), "schedule"),
        (json!({"schedule": {"kind": "ALWAYS_OPEN", "days": []}}), "schedule"),
        (holidays(json!([{"date": "2026-12-25"}, {"date": "2026-12-25"}])), "schedule"),
        (holidays(json!([{"date": "2026-12-25", "name": ""}])), "schedule"),
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
