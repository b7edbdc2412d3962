//! Voicemails whose webhooks did not arrive are found at the carrier before a call counts as missed.

use std::time::Duration;

use partyline::domain::{CallStage, CallStatus, MediaState};
use partyline::entity::call;
use partyline::service::calls::check_overdue_calls;
use partyline::service::fetch_recordings::fetch_recordings;
use partyline_simulator::{CallerStep, Simulator};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::json;

use super::flow::{start, waiting_caller};
use crate::support::TestApp;
use crate::support::carrier::{carrier, deliver};
use crate::support::outage::{Outage, Plan};
use crate::support::voice::{PHONES, STATUS, attribute, form};

/// Advances the clock, then runs the check of unfinished calls twice.
async fn check_calls_after(app: &TestApp, pause: Duration) {
    app.clock.advance(pause);
    check_overdue_calls(app.services()).await.unwrap();
    check_overdue_calls(app.services()).await.unwrap();
}

const MINUTE: Duration = Duration::from_secs(60);
const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);

/// The paths that fail in an outage: all, or only the reports about recordings.
const EVERYTHING: &[&str] = &["/"];
const RECORDINGS: &[&str] = &["/recorded", "/recording", "/transcription"];

/// Carla leaves a voicemail of seven seconds while requests to these paths fail; returns the call's SID.
async fn leave_voicemail_during_outage(carrier: &Simulator, app: &TestApp, paths: &'static [&'static str]) -> String {
    let outage = Outage::start(app.address, Plan { paths, begins_after: Some("<Record ") }).await;
    deliver(carrier, outage.address);
    let record = carrier.call(waiting_caller().then(CallerStep::Speak(7))).await.unwrap();
    assert_eq!(record.recordings.len(), 1, "{record:#?}");
    let call = app.call(&record.sid).await;
    assert!(app.voicemail_of(&call).await.is_none() && app.call_notifications(&call).await.is_empty());
    deliver(carrier, app.address);
    record.sid
}

async fn set_stage(app: &TestApp, sid: &str, stage: CallStage) {
    let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
    let stage = call::ActiveModel { stage: Set(stage), ..Default::default() };
    let change = call::Entity::update_many().set(stage).filter(call::Column::ProviderSid.eq(sid));
    assert_eq!(change.exec(&conn).await.unwrap().rows_affected, 1);
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_voicemail_left_while_the_server_was_down_is_found_at_the_carrier() {
    let carrier = carrier();
    let app = start(&carrier).await;
    // A crash can also lose the stage of the call.
    for (paths, pause, stage) in [
        (EVERYTHING, QUARTER_HOUR, CallStage::Recording),
        (EVERYTHING, QUARTER_HOUR, CallStage::Greeting),
        (EVERYTHING, QUARTER_HOUR, CallStage::Ringing),
        (RECORDINGS, MINUTE, CallStage::Recording),
    ] {
        let sid = leave_voicemail_during_outage(&carrier, &app, paths).await;
        set_stage(&app, &sid, stage).await;
        check_calls_after(&app, pause).await;
        let call = app.call(&sid).await;
        assert_eq!(call.status, CallStatus::Voicemail, "{paths:?} {stage:?}");
        assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"], "{paths:?} {stage:?}");
        fetch_recordings(app.services()).await.unwrap();
        let [voicemail] = app.voicemails_of(&call).await.try_into().unwrap();
        assert_eq!((voicemail.state, voicemail.duration_seconds), (MediaState::Ready, 7), "{paths:?}");
        check_calls_after(&app, QUARTER_HOUR).await;
        assert_eq!(app.call_notifications(&call).await.len(), 2, "{paths:?}");
    }
}

#[tokio::test]
async fn a_call_without_a_recording_at_the_carrier_is_missed() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let outage = Outage::start(app.address, Plan { paths: EVERYTHING, begins_after: Some("<Record ") }).await;
    deliver(&carrier, outage.address);
    // A silent recording is listed as absent.
    let record = carrier.call(waiting_caller().then(CallerStep::Speak(0))).await.unwrap();
    check_calls_after(&app, QUARTER_HOUR).await;
    check_calls_after(&app, MINUTE).await;
    let call = app.call(&record.sid).await;
    assert_eq!(call.status, CallStatus::NoAnswer);
    assert!(app.voicemail_of(&call).await.is_none());
    assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"]);
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn the_carrier_is_polled_until_it_responds_and_the_staff_are_notified_in_time() {
    let carrier = carrier();
    let address = carrier.base().strip_prefix("http://").unwrap().parse().unwrap();
    let api = Outage::start(address, Plan { paths: &["/Recordings.json"], begins_after: None }).await;
    let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", format!("http://{}", api.address))]).await;
    app.apply(PHONES).await;
    let open = leave_voicemail_during_outage(&carrier, &app, EVERYTHING).await;
    let ended = leave_voicemail_during_outage(&carrier, &app, RECORDINGS).await;
    // The end of this call was reported, but no user is notified yet.
    check_calls_after(&app, MINUTE).await;
    check_calls_after(&app, MINUTE).await;
    assert!(app.call_notifications(&app.call(&ended).await).await.is_empty());
    // After a quarter of an hour, the staff are notified of a missed call even if the carrier does not respond.
    check_calls_after(&app, QUARTER_HOUR).await;
    let missed = app.call(&ended).await;
    assert_eq!(app.call_notifications(&missed).await, ["MissedCall ben", "MissedCall chloe"]);
    // The other call may still be in progress.
    let call = app.call(&open).await;
    assert_eq!((call.status, app.call_notifications(&call).await.len()), (CallStatus::Ringing, 0));
    api.end();
    check_calls_after(&app, QUARTER_HOUR).await;
    for (sid, expected) in [
        (&open, &["Voicemail ben", "Voicemail chloe"][..]),
        (&ended, &["MissedCall ben (resolved)", "MissedCall chloe (resolved)", "Voicemail ben", "Voicemail chloe"]),
    ] {
        let call = app.call(sid).await;
        assert_eq!(call.status, CallStatus::Voicemail);
        assert_eq!(app.call_notifications(&call).await, expected);
    }
}

#[tokio::test]
async fn a_call_counts_as_missed_eventually_if_the_carrier_never_lists_its_recordings() {
    let carrier = carrier();
    let address = carrier.base().strip_prefix("http://").unwrap().parse().unwrap();
    let api = Outage::start(address, Plan { paths: &["/Recordings.json"], begins_after: None }).await;
    let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", format!("http://{}", api.address))]).await;
    app.apply(PHONES).await;
    let sid = leave_voicemail_during_outage(&carrier, &app, EVERYTHING).await;
    for _ in 0..3 {
        check_calls_after(&app, Duration::from_secs(12 * 3600)).await;
    }
    let call = app.call(&sid).await;
    assert_eq!((call.status, call.look_at), (CallStatus::NoAnswer, None));
    assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"]);
}

#[tokio::test]
async fn webhooks_that_arrive_after_the_voicemail_was_found_change_nothing() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let sid = leave_voicemail_during_outage(&carrier, &app, RECORDINGS).await;
    check_calls_after(&app, MINUTE).await;
    let call = app.call(&sid).await;
    let recording = app.voicemail_of(&call).await.unwrap().recording_sid;
    let document = app.reach_voicemail_prompt("CA1").await;
    let fields = [("RecordingSid", recording.as_str()), ("RecordingDuration", "7"), ("RecordingStatus", "completed")];
    app.document(&attribute(&document, "recordingStatusCallback"), &form(&sid, &fields)).await;
    app.document(&attribute(&document, "action"), &form(&sid, &fields)).await;
    app.document(STATUS, &form(&sid, &[("CallStatus", "completed"), ("CallDuration", "40")])).await;
    let call = app.call(&sid).await;
    assert_eq!((call.status, app.voicemails_of(&call).await.len()), (CallStatus::Voicemail, 1));
    assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"]);
}

/// A call's list of recordings also contains recorded conversations, absent recordings, and some without a SID.
#[tokio::test]
async fn only_recordings_made_after_the_tone_are_voicemails() {
    use axum::http::StatusCode;
    use partyline::ports::SystemClock;
    use partyline::ports::twilio_rest::{Credentials, ListedRecording, TwilioRest};

    let path = "/2010-04-01/Accounts/AC1/Calls/CA1/Recordings.json";
    let first = json!({"next_page_uri": "/second?Page=1", "recordings": [
        {"sid": "RE1", "status": "completed", "source": "RecordVerb", "duration": "7"},
        {"sid": "RE2", "status": "absent", "source": "RecordVerb", "duration": "0"},
        {"sid": "RE3", "status": "completed", "source": "DialVerb", "duration": "9"},
        {"sid": null, "status": null, "source": null, "duration": null},
    ]});
    let second = json!({"next_page_uri": null, "recordings": [
        {"sid": "RE4", "status": "processing", "source": "RecordVerb", "duration": "-1"},
        {"sid": "../RE5", "status": "completed", "source": "RecordVerb", "duration": "3"},
    ]});
    let pages = [(path, first), ("/second", second)];
    let router = pages.into_iter().fold(axum::Router::new(), |router, (path, page)| {
        router.route(path, axum::routing::get(move || async move { axum::Json(page) }))
    });
    let router = router.fallback(|| async { StatusCode::NOT_FOUND });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let twilio = TwilioRest::new(&base, &base, std::sync::Arc::new(SystemClock::new())).unwrap();
    let credentials = Credentials {
        account_sid: "AC1".to_owned(),
        username: "AC1".to_owned(),
        password: "secret".into(),
        secondary: None,
        secondary_first: std::sync::Arc::default(),
    };
    let found = twilio.voicemails_of(&credentials, "CA1").await.unwrap();
    let expected = [("RE1", Some(7)), ("RE4", None)];
    let expected = expected.map(|(sid, seconds)| ListedRecording { sid: sid.to_owned(), seconds });
    assert_eq!(found, expected);
    assert!(
        twilio.voicemails_of(&credentials, "CA2").await.unwrap().is_empty(),
        "Twilio responds that the call is unknown"
    );
}
