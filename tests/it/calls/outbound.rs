//! Calls started by a user: the user's own phone rings first, then the contact's.

use partyline::domain::{CallStatus, LegState};
use partyline_simulator::{ApiFaults, CallRefusal, PhoneScript};
use serde_json::{Value, json};

use super::flow::start;
use crate::support::carrier::carrier;
use crate::support::directory::{ACCOUNT, DESK, NURSES, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::voice::{BEN, CARLA};
use crate::support::{TestApp, Text, wait};

const START: &str = include_str!("../documents/calls_outbound_start.graphql");

async fn start_call(app: &TestApp, user: &str, input: Value) -> Value {
    let mut answer = app.graphql(&app.token("acme", user), START, json!({"input": input})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["startCall"].take()
}

async fn number(app: &TestApp, e164: &str) -> String {
    app.directory("acme").await.numbers.iter().find(|row| row.e164 == e164).unwrap().id.to_string()
}

/// Waits until the newest call has ended.
async fn newest_call_ended(app: &TestApp) -> partyline::entity::call::Model {
    let agency = app.agency("acme").await;
    let poll = || async {
        let call = app.calls_of(agency).await.pop()?;
        (call.end.is_some() && call.ended_at.is_some() && call.status != CallStatus::Ringing).then_some(call)
    };
    wait::until("the call has ended", poll).await
}

#[tokio::test]
async fn the_users_phone_rings_before_the_contacts_phone() {
    let carrier = carrier();
    let app = start(&carrier).await;
    app.receive(Text::new("SM1")).await;
    let thread = app.thread_of("SM1").await;
    carrier.set_phone(BEN, PhoneScript::accepts(2, '1'));
    carrier.set_phone(CARLA, PhoneScript::Answers { after: 3, presses: None, press_after: 1, talks: 5 });
    let payload = start_call(&app, "ben", json!({"threadId": thread.id.to_string()})).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(
        (&payload["call"]["direction"], &payload["call"]["startedBy"]["key"]),
        (&json!("OUTBOUND"), &json!("ben"))
    );
    assert_eq!(payload["call"]["thread"]["id"], thread.id.to_string());
    let call = newest_call_ended(&app).await;
    assert_eq!(call.status, CallStatus::Completed);
    let states: Vec<_> = app.legs(&call).await.iter().map(|leg| (leg.user_id.is_some(), leg.state)).collect();
    assert_eq!(states, [(true, LegState::Accepted), (false, LegState::Connected)]);
    let record = wait::until("the carrier has finished the call", || async {
        carrier.call_record(call.provider_sid.as_deref()?)
    })
    .await;
    assert_eq!(record.error, None, "{record:#?}");
    let dial = record.documents.iter().find(|document| document.body.contains("<Dial ")).unwrap();
    assert!(dial.body.contains(&format!(r#"callerId="{DESK}""#)), "the contact sees the shared number: {}", dial.body);
    assert!(app.call_notifications(&call).await.is_empty());
}

#[tokio::test]
async fn a_mobile_voicemail_is_never_connected_with_a_contact() {
    let carrier = carrier();
    let app = start(&carrier).await;
    for (script, expected) in
        [(PhoneScript::Voicemail { after: 1 }, CallStatus::NoAnswer), (PhoneScript::NoAnswer, CallStatus::NoAnswer)]
    {
        carrier.set_phone(BEN, script);
        let input = json!({"phoneNumberId": number(&app, DESK).await, "to": CARLA});
        assert_eq!(start_call(&app, "ben", input).await["userErrors"], json!([]));
        let call = newest_call_ended(&app).await;
        assert_eq!(call.status, expected);
        let legs = app.legs(&call).await;
        assert!(
            legs.iter().all(|leg| leg.user_id.is_some() && leg.ended_at.is_some()),
            "{CARLA} was not rung: {legs:?}"
        );
        assert_ne!(legs[0].state, LegState::Ringing);
    }
    carrier.set_phone(BEN, PhoneScript::accepts(1, '1'));
    carrier.set_phone(CARLA, PhoneScript::Busy);
    start_call(&app, "ben", json!({"phoneNumberId": number(&app, DESK).await, "to": CARLA})).await;
    assert_eq!(newest_call_ended(&app).await.status, CallStatus::Busy);
}

#[tokio::test]
async fn calls_that_are_not_allowed_are_refused() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let (desk, nurses) = (number(&app, DESK).await, number(&app, NURSES).await);
    for (to, code) in [
        ("911", "INVALID"),
        ("+19005550123", "INVALID"),
        ("+4930123456", "INVALID"),
        ("+18765550123", "INVALID"),
        ("101", "INVALID"),
        (NURSES, "INVALID"),
    ] {
        let payload = start_call(&app, "ben", json!({"phoneNumberId": desk, "to": to})).await;
        assert_eq!(payload["userErrors"][0]["code"], code, "{to}");
    }
    app.apply("agencies: [{key: acme, callingCountries: [US, DE]}]").await;
    // A pool without the user, a thread that the user cannot see, and an input without a target.
    assert_eq!(
        start_call(&app, "ben", json!({"phoneNumberId": nurses, "to": CARLA})).await["userErrors"][0]["code"],
        "NOT_FOUND"
    );
    app.receive(Text::new("SM1").to(NURSES)).await;
    let thread = app.thread_of("SM1").await.id.to_string();
    assert_eq!(start_call(&app, "ben", json!({"threadId": thread})).await["userErrors"][0]["code"], "NOT_FOUND");
    assert_eq!(start_call(&app, "ben", json!({})).await["userErrors"][0]["code"], "INVALID");
    // Without a verified phone.
    app.apply("agencies: [{key: acme, users: [{key: ben, phoneVerified: false}]}]").await;
    assert_eq!(
        start_call(&app, "ben", json!({"phoneNumberId": desk, "to": CARLA})).await["userErrors"][0]["code"],
        "NOT_VERIFIED"
    );
    assert!(app.calls_of(app.agency("acme").await).await.is_empty());
    // A user can have only one active call.
    app.apply("agencies: [{key: acme, users: [{key: ben, phoneVerified: true}]}]").await;
    carrier.set_phone(BEN, PhoneScript::accepts(1, '1'));
    carrier.set_phone(CARLA, PhoneScript::Answers { after: 1, presses: None, press_after: 1, talks: 3_000 });
    assert_eq!(start_call(&app, "ben", json!({"phoneNumberId": desk, "to": CARLA})).await["userErrors"], json!([]));
    assert_eq!(
        start_call(&app, "ben", json!({"phoneNumberId": desk, "to": CARLA})).await["userErrors"][0]["code"],
        "LIMIT_EXCEEDED"
    );
}

#[tokio::test]
async fn a_refusal_or_outage_of_the_carrier_fails_the_call_and_forged_requests_cannot_continue_it() {
    let app = TestApp::start_with_phones().await;
    let desk = number(&app, DESK).await;
    let payload = start_call(&app, "ben", json!({"phoneNumberId": desk, "to": CARLA})).await;
    assert_eq!(payload["call"]["status"], "FAILED", "the carrier is unreachable: {payload}");
    let call = app.calls_of(app.agency("acme").await).await.remove(0);
    let address = format!("/api/twilio/voice/outbound-press?agency={}&call={}", call.agency_id, call.id);
    let fields = |account| [("CallSid", "CA66"), ("AccountSid", account), ("From", DESK), ("To", BEN), ("Digits", "1")];
    let stranger = app.voice_signed(OTHER_TOKEN, &address, &fields(OTHER_ACCOUNT)).await.1;
    assert!(!stranger.contains(CARLA) && stranger.contains("<Hangup/>"), "{stranger}");
    let late = app.document(&address, &fields(ACCOUNT)).await;
    assert!(!late.contains("<Dial "), "the call has ended: {late}");
}

#[tokio::test]
async fn a_call_that_the_carrier_refuses_has_an_error_with_the_role_that_must_act() {
    const QUERY: &str = include_str!("../documents/calls_outbound_query.graphql");
    let carrier = carrier();
    let app = start(&carrier).await;
    let desk = number(&app, DESK).await;
    let newest = async || {
        let mut answer = app.graphql(&app.token("acme", "ben"), QUERY, Value::Null).await;
        answer["data"]["calls"]["nodes"][0].take()
    };
    for (status, code, actor, words) in [
        (400, 21215, "OPERATOR", "Calls to this country are not enabled"),
        (400, 21210, "ADMIN", "cannot be used as the caller ID"),
        (400, 21212, "ADMIN", "not a valid caller ID"),
        (400, 10004, "STAFF", "too many calls at the same time"),
        (429, 20429, "STAFF", "Too many requests"),
        (400, 99_999, "OPERATOR", "refused the call"),
    ] {
        let calls = Some(CallRefusal { status, code });
        carrier.set_api_faults(ApiFaults { calls, ..ApiFaults::default() });
        let payload = start_call(&app, "ben", json!({"phoneNumberId": desk, "to": CARLA})).await;
        assert_eq!(payload["call"]["status"], "FAILED", "{payload}");
        let call = newest().await;
        let failure = &call["failure"];
        assert_eq!((&failure["carrierCode"], &failure["actor"]), (&json!(code.to_string()), &json!(actor)), "{code}");
        assert!(failure["message"].as_str().unwrap().contains(words), "{call}");
        app.clock.advance(std::time::Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_call_that_the_account_may_not_start_is_refused_and_admins_are_notified_once() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let desk = number(&app, DESK).await;
    carrier.promote_token(ACCOUNT, "00112233445566778899aabbccddeeff");
    for _ in 0..2 {
        let payload = start_call(&app, "ben", json!({"phoneNumberId": desk, "to": CARLA})).await;
        assert_eq!((&payload["call"], &payload["userErrors"][0]["code"]), (&Value::Null, &json!("CONFLICT")));
        let message = payload["userErrors"][0]["message"].as_str().unwrap();
        assert!(message.contains("admins have been notified"), "{message}");
    }
    let query = "{ notifications(first: 9) { nodes { kind } } calls(first: 9) { nodes { status failure { carrierCode actor } } } }";
    let seen = app.graphql(&app.token("acme", "ana"), query, Value::Null).await;
    assert_eq!(seen["data"]["notifications"]["nodes"], json!([{"kind": "CARRIER_ACCOUNT_PROBLEM"}]));
    let failed = json!({"status": "FAILED", "failure": {"carrierCode": null, "actor": "OPERATOR"}});
    assert_eq!(seen["data"]["calls"]["nodes"], json!([failed, failed]));
}
