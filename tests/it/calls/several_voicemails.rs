//! Several recordings of one call: each is stored, fetched, shown, and notified of once.

use partyline::domain::{CallStatus, MediaState};
use partyline::service::fetch_recordings::fetch_recordings;
use partyline_simulator::CallerStep;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::flow::{start, waiting_caller};
use crate::support::TestApp;
use crate::support::carrier::carrier;
use crate::support::directory::ACCOUNT;
use crate::support::voice::{attribute, form};

const CALLS: &str = include_str!("../documents/calls_several_voicemails_calls.graphql");
const LISTEN: &str = include_str!("../documents/calls_several_voicemails_listen.graphql");

async fn recorded(app: &TestApp, document: &str, call: &str, recording: &str, seconds: &str) {
    let fields = form(call, &[("RecordingSid", recording), ("RecordingDuration", seconds)]);
    app.document(&attribute(document, "action"), &fields).await;
}

async fn transcribed(app: &TestApp, document: &str, call: &str, recording: &str, text: &str) {
    let fields = [("CallSid", call), ("AccountSid", ACCOUNT), ("RecordingSid", recording), ("TranscriptionText", text)];
    app.document(&attribute(document, "transcribeCallback"), &fields).await;
}

#[tokio::test]
async fn every_recording_of_a_call_is_stored_fetched_shown_and_notified_of_once() {
    let carrier = carrier();
    let app = start(&carrier).await;
    // Two files at the carrier, recorded in calls to the sister agency's number.
    let mut files = Vec::new();
    for seconds in [3, 5] {
        let script = partyline_simulator::CallScript { to: "+13035550150".to_owned(), ..waiting_caller() };
        let record = carrier.call(script.then(CallerStep::Speak(seconds))).await.unwrap();
        files.extend(record.recordings);
    }
    let [first, second] = files.try_into().unwrap();
    let document = app.reach_voicemail_prompt("CA1").await;
    for _ in 0..2 {
        recorded(&app, &document, "CA1", &first, "3").await;
        // The transcript of the second recording arrives before the recording itself.
        transcribed(&app, &document, "CA1", &second, "The second.").await;
        transcribed(&app, &document, "CA1", &first, "The first.").await;
        recorded(&app, &document, "CA1", &second, "5").await;
    }
    fetch_recordings(app.services()).await.unwrap();
    let call = app.call("CA1").await;
    assert_eq!(call.status, CallStatus::Voicemail);
    let stored: Vec<_> = app.voicemails_of(&call).await;
    assert!(stored.iter().all(|voicemail| voicemail.state == MediaState::Ready), "{stored:?}");
    let notifications = app.call_notifications(&call).await;
    assert_eq!(notifications, ["Voicemail ben", "Voicemail ben", "Voicemail chloe", "Voicemail chloe"]);

    let (ben, chloe) = (app.token("acme", "ben"), app.token("acme", "chloe"));
    let answer = app.graphql(&ben, CALLS, Value::Null).await;
    let shown = &answer["data"]["calls"]["nodes"][0];
    let [one, two] = shown["voicemails"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!(shown["voicemail"]["id"], one["id"], "the first one");
    for (voicemail, text, seconds) in [(one, "The first.", 3), (two, "The second.", 5)] {
        assert_eq!((&voicemail["transcript"], &voicemail["durationSeconds"]), (&json!(text), &json!(seconds)));
        let url = voicemail["url"].as_str().unwrap().strip_prefix("https://partyline.test").unwrap();
        assert_eq!(app.http.get(app.url(url)).send().await.unwrap().status(), StatusCode::OK);
        for (agency, user) in [("acme", "dev"), ("sister", "sam"), ("other", "olga")] {
            let (token, node) = (app.token(agency, user), "query($id: ID!) { node(id: $id) { id } }");
            let hidden = app.graphql(&token, node, json!({"id": voicemail["id"]})).await;
            assert_eq!(hidden, json!({"data": {"node": null}}), "{user}");
        }
        let node = "query($id: ID!) { node(id: $id) { ... on Voicemail { transcript } } }";
        let found = app.graphql(&chloe, node, json!({"id": voicemail["id"]})).await;
        assert_eq!(found["data"]["node"]["transcript"], text);
    }

    // The notifications of the call stay open until every voicemail has been played.
    for (voicemail, open) in [(one, 4), (two, 0)] {
        let answer = app.graphql(&ben, LISTEN, json!({"id": voicemail["id"]})).await;
        assert_eq!(answer["data"]["markVoicemailListened"]["userErrors"], json!([]));
        let notifications = app.call_notifications(&call).await;
        assert_eq!(
            notifications.iter().filter(|notifications| !notifications.ends_with("(resolved)")).count(),
            open,
            "{notifications:?}"
        );
    }
}

#[tokio::test]
async fn simultaneous_reports_of_two_recordings_create_two_voicemails() {
    let app = TestApp::start_with_phones().await;
    let document = app.reach_voicemail_prompt("CA1").await;
    let reports = (0..20).map(|n| recorded(&app, &document, "CA1", ["RE1", "RE2"][n % 2], "4"));
    futures_util::future::join_all(reports).await;
    let call = app.call("CA1").await;
    let stored: Vec<_> = app.voicemails_of(&call).await.into_iter().map(|voicemail| voicemail.recording_sid).collect();
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert_eq!(app.call_notifications(&call).await.len(), 4);
}

#[tokio::test]
async fn an_absent_recording_does_not_remove_another_voicemail() {
    let app = TestApp::start_with_phones().await;
    let document = app.reach_voicemail_prompt("CA1").await;
    recorded(&app, &document, "CA1", "RE1", "4").await;
    let fields = [("CallSid", "CA1"), ("AccountSid", ACCOUNT), ("RecordingSid", "RE2"), ("RecordingStatus", "absent")];
    app.document(&attribute(&document, "recordingStatusCallback"), &fields).await;
    let call = app.call("CA1").await;
    assert_eq!((call.status, app.voicemails_of(&call).await.len()), (CallStatus::Voicemail, 1));
    assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"]);
}
