//! The same reports in every order, each sent twice, lead to the same result.

use partyline::domain::{CallStatus, LegState};

use crate::support::TestApp;
use crate::support::directory::ACCOUNT;
use crate::support::voice::{BEN, CARLA, CHLOE, INBOUND, STATUS, attribute, form, phones};

type Report = (String, Vec<(String, String)>);

fn report(address: &str, fields: &[(&str, &str)]) -> Report {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    (address.to_owned(), fields.iter().map(owned).collect())
}

/// All permutations of `count` items (Heap's algorithm).
fn permutations(count: usize) -> Vec<Vec<usize>> {
    fn permute(list: &mut Vec<usize>, left: usize, found: &mut Vec<Vec<usize>>) {
        if left <= 1 {
            found.push(list.clone());
            return;
        }
        for at in 0..left {
            permute(list, left - 1, found);
            list.swap(if left.is_multiple_of(2) { at } else { 0 }, left - 1);
        }
    }
    let mut found = Vec::new();
    permute(&mut (0..count).collect(), count, &mut found);
    found
}

/// Sends each report twice, in this order.
async fn send(app: &TestApp, reports: &[Report], order: &[usize]) {
    for at in order.iter().flat_map(|at| [*at, *at]) {
        let (address, fields) = &reports[at];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        app.document(address, &fields).await;
    }
}

/// A call whose main line rings: the URL of the `<Dial>` action, and of each phone's screening.
async fn ringing(app: &TestApp, sid: &str) -> (String, Vec<(String, String)>) {
    let greeting = app.document(INBOUND, &form(sid, &[])).await;
    let rung = app.document(&attribute(&greeting, "action"), &form(sid, &[("Digits", "")])).await;
    (attribute(&rung, "action"), phones(&rung))
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_conversation_is_recorded_whatever_the_order_of_reports() {
    let app = TestApp::start_with_phones().await;
    let ben = app.user("acme", "ben").await;
    let every = permutations(5);
    assert_eq!(every.len(), 120);
    for (n, order) in every.into_iter().enumerate() {
        let (sid, bens, chloes) = (format!("CA{n}"), format!("CB{n}"), format!("CC{n}"));
        let (dialled, phones) = ringing(&app, &sid).await;
        let leg = |sid: &str, phone, more: &[(&str, &str)]| {
            let mut fields = vec![("CallSid", sid), ("AccountSid", ACCOUNT), ("From", CARLA), ("To", phone)];
            fields.extend_from_slice(more);
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let screen = (phones[0].1.clone(), leg(&bens, BEN, &[]));
        let press = (phones[0].1.replace("/screen?", "/press?"), leg(&bens, BEN, &[("Digits", "1")]));
        send(&app, &[screen, press], &[0, 1]).await;
        let of = |which: usize| phones[which].1.replace("/screen?", "/leg?");
        let bridged = [
            ("DialCallStatus", "completed"),
            ("DialCallSid", &bens),
            ("DialBridged", "true"),
            ("DialCallDuration", "30"),
        ];
        let reports = [
            (of(0), leg(&bens, BEN, &[("CallStatus", "in-progress")])),
            (of(0), leg(&bens, BEN, &[("CallStatus", "completed"), ("CallDuration", "33")])),
            (of(1), leg(&chloes, CHLOE, &[("CallStatus", "canceled")])),
            report(&dialled, &form(&sid, &bridged)),
            report(STATUS, &form(&sid, &[("CallStatus", "completed"), ("CallDuration", "40")])),
        ];
        send(&app, &reports, &order).await;
        let call = app.call(&sid).await;
        assert_eq!((call.status, call.answered_by_id), (CallStatus::Completed, Some(ben)), "{order:?}");
        assert_eq!(call.duration_seconds, Some(40), "{order:?}");
        let states: Vec<_> = app.legs(&call).await.iter().map(|leg| leg.state).collect();
        assert_eq!(states, [LegState::Connected, LegState::Canceled], "{order:?}");
        assert!(app.call_notifications(&call).await.is_empty(), "{order:?}");
    }
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_voicemail_is_recorded_whatever_the_order_of_reports() {
    let app = TestApp::start_with_phones().await;
    for (n, order) in permutations(4).into_iter().enumerate() {
        let (sid, recording) = (format!("CA{n}"), format!("RE{n}"));
        let (dialled, _) = ringing(&app, &sid).await;
        let unanswered = form(&sid, &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
        let asked = app.document(&dialled, &unanswered).await;
        let about = [("CallSid", sid.as_str()), ("AccountSid", ACCOUNT), ("RecordingSid", recording.as_str())];
        let with = |more: &[(&'static str, &'static str)]| [&about[..], more].concat();
        let reports = [
            report(
                &attribute(&asked, "action"),
                &form(&sid, &[("RecordingSid", &recording), ("RecordingDuration", "5")]),
            ),
            report(&attribute(&asked, "recordingStatusCallback"), &with(&[("RecordingDuration", "5")])),
            report(&attribute(&asked, "transcribeCallback"), &with(&[("TranscriptionText", "Call me.")])),
            report(STATUS, &form(&sid, &[("CallStatus", "completed"), ("CallDuration", "40")])),
        ];
        send(&app, &reports, &order).await;
        let call = app.call(&sid).await;
        assert_eq!((call.status, call.duration_seconds), (CallStatus::Voicemail, Some(40)), "{order:?}");
        let voicemail = app.voicemail_of(&call).await.unwrap();
        assert_eq!((voicemail.duration_seconds, voicemail.transcript.as_deref()), (5, Some("Call me.")), "{order:?}");
        assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"], "{order:?}");
    }
}
