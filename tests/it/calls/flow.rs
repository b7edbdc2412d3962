//! Complete calls, through a simulated carrier that follows the documents and plays all parties.

use partyline::domain::{CallStatus, LegState};
use partyline_simulator::{CallScript, CallerStep, LegPolicy, PhoneScript, Simulator};
use serde_json::json;

use crate::support::TestApp;
use crate::support::carrier::{carrier, carrier_with};
use crate::support::directory::{DESK, NURSES};
use crate::support::voice::{BEN, CARLA, CHLOE, DEV, PHONES};

pub(super) async fn start(carrier: &Simulator) -> TestApp {
    let app = TestApp::start_with_carrier(carrier).await;
    app.apply(PHONES).await;
    app
}

pub(super) fn waiting_caller() -> CallScript {
    CallScript::new(CARLA, DESK).then(CallerStep::Wait)
}

#[tokio::test]
async fn the_first_user_who_presses_1_gets_the_caller() {
    let carrier = carrier();
    let app = start(&carrier).await;
    carrier.set_phone(BEN, PhoneScript::accepts(4, '1'));
    let record = carrier.call(waiting_caller().talks(9)).await.unwrap();
    assert_eq!((record.error.as_deref(), record.status.as_str()), (None, "completed"));
    assert_eq!(record.bridged().map(|leg| leg.to.as_str()), Some(BEN));
    let call = app.call(&record.sid).await;
    assert_eq!(call.status, CallStatus::Completed);
    assert_eq!(call.answered_by_id, Some(app.user("acme", "ben").await));
    assert!(app.call_notifications(&call).await.is_empty());
    let shown = app.newest_call("acme", "chloe").await;
    assert_eq!(shown["answeredBy"]["key"], "ben");
    assert_eq!(shown["contact"], json!({"phone": CARLA, "name": "Carla Ruiz"}));
    let legs: Vec<_> = shown["legs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leg| (leg["user"]["key"].as_str().unwrap(), leg["state"].as_str().unwrap()))
        .collect();
    assert_eq!(legs, [("ben", "CONNECTED"), ("chloe", "CANCELED")]);
    assert!(shown["durationSeconds"].as_i64().unwrap() > 0, "{shown}");
}

#[tokio::test]
async fn an_extension_rings_only_its_user() {
    let carrier = carrier();
    let app = start(&carrier).await;
    carrier.set_phone(DEV, PhoneScript::accepts(2, '1'));
    let record = carrier.call(CallScript::new(CARLA, DESK).then(CallerStep::Dial("101#".to_owned()))).await.unwrap();
    assert_eq!(record.legs.iter().map(|leg| leg.to.as_str()).collect::<Vec<_>>(), [DEV]);
    let shown = app.newest_call("acme", "dev").await;
    assert_eq!((&shown["extension"]["digits"], &shown["answeredBy"]["key"]), (&json!("101"), &json!("dev")));
    assert_eq!(app.call(&record.sid).await.status, CallStatus::Completed);
}

#[tokio::test]
async fn a_mobile_voicemail_does_not_take_the_call() {
    for legs in [LegPolicy::Keep, LegPolicy::Cancel] {
        let carrier = carrier_with(|settings| settings.legs = legs);
        let app = start(&carrier).await;
        carrier.set_phone(BEN, PhoneScript::Voicemail { after: 1 });
        carrier.set_phone(CHLOE, PhoneScript::accepts(12, '1'));
        let record = carrier.call(waiting_caller()).await.unwrap();
        assert_eq!(record.error, None, "{legs:?}");
        assert_eq!(record.bridged().map(|leg| leg.to.as_str()), Some(CHLOE), "{legs:?}: {:#?}", record.transcript);
        let call = app.call(&record.sid).await;
        assert_eq!((call.status, call.answered_by_id), (CallStatus::Completed, Some(app.user("acme", "chloe").await)));
        let rings = record.legs.iter().filter(|leg| leg.to == BEN).count();
        assert_eq!(rings, 1, "{legs:?}: a phone that was answered is not rung again");
        // If no other user answers, the caller is asked for a voicemail.
        carrier.set_phone(CHLOE, PhoneScript::NoAnswer);
        let record = carrier.call(waiting_caller()).await.unwrap();
        assert_eq!(record.recordings.len(), 1, "{legs:?}: {:#?}", record.transcript);
        assert_eq!(app.call(&record.sid).await.status, CallStatus::Voicemail);
    }
}

#[tokio::test]
async fn phones_ring_one_after_the_other_with_sequential_ringing() {
    let carrier = carrier();
    let app = start(&carrier).await;
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550101\", ringStrategy: SEQUENTIAL, ringSeconds: 10}]}]").await;
    carrier.set_phone(CHLOE, PhoneScript::Busy);
    carrier.set_phone(DEV, PhoneScript::accepts(3, '1'));
    let record = carrier.call(CallScript::new(CARLA, NURSES).then(CallerStep::Wait)).await.unwrap();
    let rung: Vec<_> = record.legs.iter().map(|leg| (leg.to.as_str(), leg.bridged)).collect();
    assert_eq!(rung, [(CHLOE, false), (DEV, true)]);
    let call = app.call(&record.sid).await;
    let states: Vec<_> = app.legs(&call).await.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [LegState::Busy, LegState::Connected]);
}

#[tokio::test]
async fn a_caller_who_hangs_up_is_a_missed_call() {
    let carrier = carrier();
    let app = start(&carrier).await;
    for (script, expected) in [
        (waiting_caller().then(CallerStep::HangUpAfter(5)), CallStatus::Canceled),
        (CallScript::new(CARLA, DESK).then(CallerStep::HangUp), CallStatus::NoAnswer),
    ] {
        let record = carrier.call(script).await.unwrap();
        let call = app.call(&record.sid).await;
        assert_eq!(call.status, expected);
        assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"], "{expected:?}");
    }
    // Users who are AWAY are not rung, but they are notified.
    let away = r#"mutation { setAvailability(input: {availability: AWAY}) { userErrors { code } } }"#;
    app.graphql(&app.token("acme", "ben"), away, serde_json::Value::Null).await;
    let record = carrier.call(waiting_caller().then(CallerStep::HangUpAfter(5))).await.unwrap();
    assert!(record.legs.iter().all(|leg| leg.to != BEN), "{:#?}", record.transcript);
    assert_eq!(app.call_notifications(&app.call(&record.sid).await).await, ["MissedCall ben", "MissedCall chloe"]);
    // A caller who dialed an extension is a missed call of its user.
    let script =
        CallScript::new(CARLA, DESK).then(CallerStep::Dial("101#".to_owned())).then(CallerStep::HangUpAfter(3));
    let record = carrier.call(script).await.unwrap();
    assert_eq!(app.call_notifications(&app.call(&record.sid).await).await, ["MissedCall dev"]);
}

#[tokio::test]
async fn declining_or_hanging_up_during_screening_does_not_accept_the_call() {
    let carrier = carrier_with(|settings| settings.legs = LegPolicy::Keep);
    let app = start(&carrier).await;
    carrier.set_phone(BEN, PhoneScript::accepts(2, '9'));
    carrier.set_phone(CHLOE, PhoneScript::HangsUp { after: 3, into: 1 });
    let record = carrier.call(waiting_caller()).await.unwrap();
    assert!(record.bridged().is_none() && record.recordings.len() == 1, "{:#?}", record.transcript);
    let call = app.call(&record.sid).await;
    assert_eq!((call.status, call.answered_by_id), (CallStatus::Voicemail, None));
    let states: Vec<_> = app.legs(&call).await.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [LegState::Declined, LegState::PickedUp]);
}
