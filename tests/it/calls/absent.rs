//! Recordings that the carrier reports as absent, too short, or silent do not become voicemails.

use partyline::domain::{CallStatus, MediaState};
use partyline::service::fetch_recordings::fetch_recordings;
use partyline_simulator::CallerStep;
use serde_json::{Value, json};

use super::flow::{start, waiting_caller};
use crate::support::TestApp;
use crate::support::carrier::carrier;
use crate::support::directory::ACCOUNT;
use crate::support::voice::{STATUS, attribute, form};

/// A webhook that Twilio sends about the recording of a call.
#[derive(Debug, Clone, Copy)]
enum Report {
    /// The action of `<Record>`.
    Recorded,
    Absent,
    Transcript,
    /// The end of the call.
    End,
}

async fn send(app: &TestApp, document: &str, sid: &str, report: Report) {
    let own = [("CallSid", sid), ("AccountSid", ACCOUNT), ("RecordingSid", "RE1")];
    match report {
        Report::Recorded => {
            let fields = form(sid, &[("RecordingSid", "RE1"), ("RecordingDuration", "1"), ("Digits", "hangup")]);
            app.document(&attribute(document, "action"), &fields).await;
        }
        Report::Absent => {
            let status = [("RecordingStatus", "absent"), ("RecordingDuration", "0"), ("ErrorCode", "16101")];
            app.document(&attribute(document, "recordingStatusCallback"), &[&own[..], &status].concat()).await;
        }
        Report::Transcript => {
            let text = [("TranscriptionStatus", "completed"), ("TranscriptionText", "Hm.")];
            app.document(&attribute(document, "transcribeCallback"), &[&own[..], &text].concat()).await;
        }
        Report::End => {
            app.document(STATUS, &form(sid, &[("CallStatus", "completed"), ("CallDuration", "31")])).await;
        }
    }
}

#[tokio::test]
async fn an_absent_recording_leaves_a_missed_call_in_every_order_of_reports() {
    use Report::{Absent, End, Recorded, Transcript};
    let app = TestApp::start_with_phones().await;
    for (n, (order, was_told_of_voicemail)) in [
        (&[Recorded, Absent, End][..], true),
        (&[Absent, Recorded, End], false),
        (&[Recorded, End, Absent], true),
        (&[End, Recorded, Absent], true),
        (&[Absent, End], false),
        (&[End, Absent], false),
        (&[Absent, Recorded, Transcript, End, Absent, Recorded], false),
        (&[Transcript, Recorded, Absent, End, Transcript], true),
    ]
    .into_iter()
    .enumerate()
    {
        let sid = format!("CA{n}");
        let document = app.reach_voicemail_prompt(&sid).await;
        for report in order {
            send(&app, &document, &sid, *report).await;
        }
        let call = app.call(&sid).await;
        assert_eq!((call.status, call.recorded, call.look_at), (CallStatus::NoAnswer, false, None), "{order:?}");
        assert!(app.voicemails_of(&call).await.is_empty(), "{order:?}");
        let resolved = ["Voicemail ben (resolved)", "Voicemail chloe (resolved)"];
        let notified = ["MissedCall ben", "MissedCall chloe"];
        let expected = if was_told_of_voicemail { [&notified[..], &resolved].concat() } else { notified.to_vec() };
        assert_eq!(app.call_notifications(&call).await, expected, "{order:?}");
        let shown = app.newest_call("acme", "ben").await;
        assert_eq!((&shown["status"], &shown["voicemail"]), (&json!("NO_ANSWER"), &Value::Null), "{order:?}");
    }
}

#[tokio::test]
async fn a_voicemail_reported_as_absent_later_cannot_be_fetched_played_or_found() {
    let app = TestApp::start_with_phones().await;
    let document = app.reach_voicemail_prompt("CA1").await;
    send(&app, &document, "CA1", Report::Recorded).await;
    let id = json!({"id": app.newest_call("acme", "ben").await["voicemail"]["id"]});
    let (ben, node) = (app.token("acme", "ben"), "query($id: ID!) { node(id: $id) { id } }");
    assert_eq!(app.graphql(&ben, node, id.clone()).await["data"]["node"]["id"], id["id"]);
    send(&app, &document, "CA1", Report::Absent).await;
    assert_eq!(app.graphql(&ben, node, id.clone()).await, json!({"data": {"node": null}}));
    let listen = "mutation($id: ID!) { markVoicemailListened(input: {voicemailId: $id}) { userErrors { code } } }";
    let answer = app.graphql(&ben, listen, id).await;
    assert_eq!(answer["data"]["markVoicemailListened"]["userErrors"][0]["code"], "NOT_FOUND");
    let call = app.call("CA1").await;
    let before = partyline::store::calls::recordings_of(app.db(), call.agency_id, call.id).await.unwrap();
    fetch_recordings(app.services()).await.unwrap();
    let after = partyline::store::calls::recordings_of(app.db(), call.agency_id, call.id).await.unwrap();
    assert_eq!((before.len(), &before), (1, &after), "nothing was fetched");
}

#[tokio::test]
async fn a_stored_voicemail_is_kept_when_its_recording_is_reported_as_absent() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let record = carrier.call(waiting_caller().then(CallerStep::Speak(3))).await.unwrap();
    fetch_recordings(app.services()).await.unwrap();
    let document = app.reach_voicemail_prompt("CA1").await;
    let fields = [("RecordingSid", record.recordings[0].as_str()), ("RecordingStatus", "absent")];
    app.document(&attribute(&document, "recordingStatusCallback"), &form(&record.sid, &fields)).await;
    let call = app.call(&record.sid).await;
    let voicemail = app.voicemail_of(&call).await.unwrap();
    assert_eq!((call.status, voicemail.state), (CallStatus::Voicemail, MediaState::Ready));
}

/// Two simulated callers: one says nothing, and one hangs up at the tone.
#[tokio::test]
async fn callers_who_say_nothing_leave_a_missed_call() {
    let carrier = carrier();
    let app = start(&carrier).await;
    let silent = waiting_caller().then(CallerStep::Speak(0));
    for script in [silent.clone(), silent.then(CallerStep::HangUp)] {
        let record = carrier.call(script).await.unwrap();
        assert_eq!(record.error, None);
        let call = app.call(&record.sid).await;
        assert_eq!((call.status, call.look_at), (CallStatus::NoAnswer, None), "{record:#?}");
        assert!(app.voicemail_of(&call).await.is_none());
        let notified = app.call_notifications(&call).await;
        let open: Vec<_> = notified.iter().filter(|notified| !notified.ends_with("(resolved)")).collect();
        assert_eq!(open, ["MissedCall ben", "MissedCall chloe"]);
    }
}
