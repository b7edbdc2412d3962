//! Voicemails, their notifications and playback, and the text after a missed call.

use std::time::Duration;

use partyline::domain::{CallStatus, MediaState};
use partyline::service::calls::check_overdue_calls;
use partyline::service::fetch_recordings::fetch_recordings;
use partyline_simulator::{ApiFaults, CallerStep, RecordingFault};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::flow::{start, waiting_caller};
use crate::support::carrier::carrier;
use crate::support::voice::{INBOUND, STATUS, attribute, form};
use crate::support::{TestApp, Text};

const LISTEN: &str = include_str!("../documents/calls_voicemail_listen.graphql");

fn path(url: &str) -> String {
    url.strip_prefix("https://partyline.test").unwrap().to_owned()
}

#[tokio::test]
async fn a_voicemail_is_notified_of_fetched_and_played_and_its_notifications_are_resolved() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let record = carrier.call(waiting_caller().then(CallerStep::Speak(7))).await.unwrap();
    let call = app.call(&record.sid).await;
    assert_eq!(call.status, CallStatus::Voicemail);
    assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"]);
    let pending = app.newest_call("acme", "ben").await;
    assert_eq!((&pending["voicemail"]["state"], &pending["voicemail"]["url"]), (&json!("PENDING"), &Value::Null));
    fetch_recordings(app.services()).await.unwrap();
    let ready = app.newest_call("acme", "ben").await;
    assert_eq!((&ready["voicemail"]["state"], &ready["voicemail"]["durationSeconds"]), (&json!("READY"), &json!(7)));
    assert!(ready["voicemail"]["transcript"].is_string(), "{ready}");
    let url = path(ready["voicemail"]["url"].as_str().unwrap());

    let whole = app.http.get(app.url(&url)).send().await.unwrap();
    assert_eq!((whole.status(), whole.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "audio/mpeg"));
    assert_eq!(whole.headers()["x-content-type-options"], "nosniff");
    let bytes = whole.bytes().await.unwrap();
    let part = app.http.get(app.url(&url)).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), bytes.slice(10..20));
    for forged in
        [url.replace("signature=", "signature=0"), url.replace("expires=", "expires=9"), "/media/vml_1".to_owned()]
    {
        assert_eq!(app.http.get(app.url(&forged)).send().await.unwrap().status(), StatusCode::FORBIDDEN, "{forged}");
    }
    app.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(app.http.get(app.url(&url)).send().await.unwrap().status(), StatusCode::FORBIDDEN);

    let id = json!({"id": ready["voicemail"]["id"]});
    for (agency, user) in [("acme", "dev"), ("other", "olga"), ("sister", "sam")] {
        let answer = app.graphql(&app.token(agency, user), LISTEN, id.clone()).await;
        assert_eq!(answer["data"]["markVoicemailListened"]["userErrors"][0]["code"], "NOT_FOUND", "{user}");
    }
    for user in ["ben", "chloe"] {
        let answer = app.graphql(&app.token("acme", user), LISTEN, id.clone()).await;
        let by = &answer["data"]["markVoicemailListened"]["voicemail"]["listenedBy"]["key"];
        assert_eq!(by, "ben", "the first who listened: {answer}");
    }
    assert_eq!(app.call_notifications(&call).await, ["Voicemail ben (resolved)", "Voicemail chloe (resolved)"]);
}

#[tokio::test]
async fn a_voicemail_that_arrives_after_the_end_of_the_call_is_not_a_missed_call() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let document = app.reach_voicemail_prompt("CA1").await;
    app.document(STATUS, &form("CA1", &[("CallStatus", "completed"), ("CallDuration", "31")])).await;
    let call = app.call("CA1").await;
    assert!(app.call_notifications(&call).await.is_empty(), "a voicemail may still arrive");
    let report = attribute(&document, "recordingStatusCallback");
    let recording = [
        ("CallSid", "CA1"),
        ("AccountSid", crate::support::directory::ACCOUNT),
        ("RecordingSid", "RE1"),
        ("RecordingDuration", "6"),
        ("RecordingStatus", "completed"),
    ];
    for _ in 0..2 {
        app.document(&report, &recording).await;
    }
    let call = app.call("CA1").await;
    assert_eq!(call.status, CallStatus::Voicemail);
    assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"]);

    // Without a voicemail, the call counts as missed after a minute. A voicemail that arrives later resolves that.
    let document = app.reach_voicemail_prompt("CA2").await;
    app.document(STATUS, &form("CA2", &[("CallStatus", "completed"), ("CallDuration", "31")])).await;
    app.clock.advance(Duration::from_secs(60));
    check_overdue_calls(app.services()).await.unwrap();
    check_overdue_calls(app.services()).await.unwrap();
    let call = app.call("CA2").await;
    assert_eq!((call.status, app.call_notifications(&call).await.len()), (CallStatus::NoAnswer, 2));
    let late = recording.map(|(name, value)| {
        (
            name,
            if value == "CA1" {
                "CA2"
            } else if value == "RE1" {
                "RE2"
            } else {
                value
            },
        )
    });
    app.document(&attribute(&document, "recordingStatusCallback"), &late).await;
    let call = app.call("CA2").await;
    let notifications = app.call_notifications(&call).await;
    assert_eq!(
        notifications,
        ["MissedCall ben (resolved)", "MissedCall chloe (resolved)", "Voicemail ben", "Voicemail chloe"]
    );
}

/// Twilio documents that the URL of a recording is sent, but not always its SID or its length.
#[tokio::test]
async fn a_recording_can_be_identified_by_its_url_and_needs_no_length() {
    let app = TestApp::start_with_phones().await;
    let document = app.reach_voicemail_prompt("CA1").await;
    let address = "https://elsewhere.example/2010-04-01/Accounts/AC1/Recordings/RE77.mp3?x=/y";
    app.document(&attribute(&document, "action"), &form("CA1", &[("RecordingUrl", address), ("Digits", "hangup")]))
        .await;
    let call = app.call("CA1").await;
    let voicemail = app.voicemail_of(&call).await.unwrap();
    assert_eq!((call.status, voicemail.recording_sid.as_str()), (CallStatus::Voicemail, "RE77"));
    let nothing =
        app.voice(&attribute(&document, "action"), &form("CA2", &[("RecordingUrl", "https://e.example/")])).await;
    assert_eq!(nothing.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_caller_who_says_nothing_is_a_missed_call() {
    let app = TestApp::start_with_phones().await;
    let document = app.reach_voicemail_prompt("CA1").await;
    let silent =
        document.split_once("<Redirect method=\"POST\">").unwrap().1.split('<').next().unwrap().replace("&amp;", "&");
    let goodbye = app.document(&silent, &form("CA1", &[])).await;
    assert!(goodbye.contains("<Say>") && goodbye.contains("<Hangup/>"), "{goodbye}");
    let call = app.call("CA1").await;
    assert_eq!(call.status, CallStatus::NoAnswer);
    assert!(app.voicemail_of(&call).await.is_none());
    assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"]);
}

#[tokio::test]
async fn at_least_one_user_is_notified_of_every_voicemail() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550102\", hours: {}}]}]").await;
    let number = [("To", "+13035550102")];
    let document = app.document(INBOUND, &form("CA1", &number)).await;
    assert!(document.contains("closed") && document.contains("<Record "), "{document}");
    let fields = [number[0], ("RecordingSid", "RE1"), ("RecordingDuration", "9")];
    app.document(&attribute(&document, "action"), &form("CA1", &fields)).await;
    assert_eq!(
        app.call_notifications(&app.call("CA1").await).await,
        ["Voicemail ana"],
        "the admins are notified for an empty pool"
    );
}

#[tokio::test]
async fn fetching_a_missing_recording_is_abandoned_eventually() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let document = app.reach_voicemail_prompt("CA1").await;
    let fields = [("RecordingSid", "RE404"), ("RecordingDuration", "9")];
    app.document(&attribute(&document, "action"), &form("CA1", &fields)).await;
    let call = app.call("CA1").await;
    for _ in 0..10 {
        assert_eq!(app.voicemail_of(&call).await.unwrap().state, MediaState::Pending);
        fetch_recordings(app.services()).await.unwrap();
        app.clock.advance(Duration::from_secs(13 * 3600));
    }
    assert_eq!(app.voicemail_of(&call).await.unwrap().state, MediaState::Failed);
}

#[tokio::test]
async fn a_missed_caller_is_texted_once_if_texting_is_allowed() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", missedCallText: We missed you.}]}]")
        .await;
    // A call at night: the mock clock starts at 8 in the morning in Denver.
    let missed = async |sid: &str, from: &str| {
        app.document(INBOUND, &form(sid, &[("From", from)])).await;
        app.document(STATUS, &form(sid, &[("From", from), ("CallStatus", "completed")])).await;
        app.document(STATUS, &form(sid, &[("From", from), ("CallStatus", "completed")])).await;
        app.outbound().await.len()
    };
    assert_eq!(missed("CA1", "+13035560009").await, 1);
    let text = app.outbound().await.remove(0);
    assert_eq!((text.body.as_str(), text.sender_id), ("We missed you.", None));
    assert_eq!(Some(text.thread_id), app.call("CA1").await.thread_id);
    app.receive(Text::new("SM1").body("STOP")).await;
    assert_eq!(missed("CA2", "+13035560001").await, 1, "a caller who opted out is not texted");
    assert_eq!(missed("CA3", "anonymous").await, 1);
    app.clock.advance(Duration::from_secs(14 * 3600));
    assert_eq!(missed("CA4", "+13035560009").await, 1, "no texts at night");
    app.clock.advance(Duration::from_secs(11 * 3600));
    assert_eq!(missed("CA5", "+13035560009").await, 2);
}

async fn voicemail_with(app: &TestApp, carrier: &partyline_simulator::Simulator) -> partyline::entity::call::Model {
    let record = carrier.call(waiting_caller().then(CallerStep::Speak(7))).await.unwrap();
    app.call(&record.sid).await
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_temporary_error_never_abandons_a_recording() {
    let carrier = carrier();
    let app = start(&carrier).await;
    for status in [401, 403, 429, 302, 400, 500, 503] {
        let fault = Some(RecordingFault::Status(status));
        carrier.set_api_faults(ApiFaults { recording: fault, ..ApiFaults::default() });
        let call = voicemail_with(&app, &carrier).await;
        for _ in 0..12 {
            fetch_recordings(app.services()).await.unwrap();
            let row = app.voicemail_of(&call).await.unwrap();
            assert_eq!((row.state, row.attempts), (MediaState::Pending, 0), "{status}");
            app.clock.advance(Duration::from_secs(13 * 3600));
        }
        carrier.set_api_faults(ApiFaults::default());
        fetch_recordings(app.services()).await.unwrap();
        let row = app.voicemail_of(&call).await.unwrap();
        assert_eq!((row.state, row.failure), (MediaState::Ready, None), "{status}");
    }
}

#[tokio::test]
async fn admins_are_notified_once_that_recordings_cannot_be_fetched() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let notifications = async || {
        let query = "{ notifications(first: 100) { nodes { kind resolvedAt } } }";
        let answer = app.graphql(&app.token("acme", "ana"), query, Value::Null).await;
        let all = answer["data"]["notifications"]["nodes"].as_array().unwrap().clone();
        all.into_iter().filter(|row| row["kind"] == "CARRIER_ACCOUNT_PROBLEM").collect::<Vec<_>>()
    };
    let forbidden = Some(RecordingFault::Status(403));
    carrier.set_api_faults(ApiFaults { recording: forbidden, ..ApiFaults::default() });
    voicemail_with(&app, &carrier).await;
    voicemail_with(&app, &carrier).await;
    for _ in 0..3 {
        fetch_recordings(app.services()).await.unwrap();
        app.clock.advance(Duration::from_secs(301));
    }
    assert_eq!(notifications().await.len(), 1);
    assert!(notifications().await[0]["resolvedAt"].is_null());
    carrier.set_api_faults(ApiFaults::default());
    fetch_recordings(app.services()).await.unwrap();
    assert_eq!(notifications().await.len(), 1);
    assert!(notifications().await[0]["resolvedAt"].is_string());
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_recording_that_is_gone_or_not_audio_fails_with_a_reason() {
    let carrier = carrier();
    let app = start(&carrier).await;
    for (fault, reason) in [
        (RecordingFault::Status(410), "MISSING"),
        (RecordingFault::Status(404), "MISSING"),
        (RecordingFault::NotAudio, "NOT_AUDIO"),
    ] {
        carrier.set_api_faults(ApiFaults { recording: Some(fault), ..ApiFaults::default() });
        let call = voicemail_with(&app, &carrier).await;
        for _ in 0..10 {
            assert_eq!(app.voicemail_of(&call).await.unwrap().state, MediaState::Pending);
            fetch_recordings(app.services()).await.unwrap();
            app.clock.advance(Duration::from_secs(13 * 3600));
        }
        let query = "{ calls(first: 1) { nodes { voicemail { state failure } } } }";
        let answer = app.graphql(&app.token("acme", "ben"), query, Value::Null).await;
        let voicemail = &answer["data"]["calls"]["nodes"][0]["voicemail"];
        assert_eq!(*voicemail, json!({"state": "FAILED", "failure": reason}), "{fault:?}");
    }
}
