//! Webhooks out of order, repeated, late, or of a call without a row.

use std::time::Duration;

use partyline::domain::CallStatus;
use partyline::service::calls::check_overdue_calls;
use partyline_simulator::{CallbackFault, CallerStep, PhoneScript};
use reqwest::StatusCode;

use super::flow::{start, waiting_caller};
use crate::support::TestApp;
use crate::support::carrier::carrier;
use crate::support::directory::ACCOUNT;
use crate::support::voice::{BEN, CARLA, INBOUND, STATUS, attribute, form, phones};

#[tokio::test]
async fn a_repeated_webhook_creates_one_call() {
    let app = TestApp::start_with_phones().await;
    let fields = form("CA1", &[]);
    let answers = futures_util::future::join_all((0..50).map(|_| app.voice(INBOUND, &fields))).await;
    assert!(answers.iter().all(|(status, document)| *status == StatusCode::OK && document.contains("<Gather ")));
    app.call("CA1").await;
    let ended = form("CA1", &[("CallStatus", "completed"), ("CallDuration", "5")]);
    for _ in 0..3 {
        app.document(STATUS, &ended).await;
    }
    let call = app.call("CA1").await;
    assert_eq!((call.status, call.duration_seconds), (CallStatus::NoAnswer, Some(5)));
    assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"]);
}

#[tokio::test]
async fn early_reports_create_a_row_and_reports_of_unknown_calls_are_ignored() {
    let app = TestApp::start_with_phones().await;
    app.document(STATUS, &form("CA1", &[("CallStatus", "completed"), ("CallDuration", "3")])).await;
    let call = app.call("CA1").await;
    assert_eq!(call.status, CallStatus::NoAnswer);
    // The call's own webhook arrives late.
    app.document(INBOUND, &form("CA1", &[])).await;
    assert_eq!(app.call("CA1").await.status, CallStatus::NoAnswer);
    assert_eq!(app.call_notifications(&call).await.len(), 2);
    app.document(STATUS, &form("CA2", &[("CallStatus", "completed"), ("To", "+13035559999")])).await;
    assert!(app.calls_with("CA2").await.is_empty());
    app.document(STATUS, &form("CA3", &[("CallStatus", "ringing")])).await;
    assert!(app.calls_with("CA3").await.is_empty());
    assert_eq!(app.voice(STATUS, &[("CallSid", "CA4"), ("AccountSid", ACCOUNT)]).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_step_restores_a_call_whose_row_was_lost() {
    let app = TestApp::start_with_phones().await;
    let greeting = app.document(INBOUND, &form("CA0", &[])).await;
    let menu = attribute(&greeting, "action");
    let rung = app.document(&menu, &form("CA0", &[("Digits", "")])).await;
    let (dialled, screen) = (attribute(&rung, "action"), phones(&rung).remove(0).1);
    let voicemail =
        app.document(&dialled, &form("CA0", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")])).await;
    let recorded = attribute(&voicemail, "action");
    let leg = [("CallSid", "CB1"), ("AccountSid", ACCOUNT), ("From", CARLA), ("To", BEN)];
    // Simulates a crash between the first response and the write of the row: the same URLs with another call SID.
    let of = |address: &str, sid: &str| address.replace("CA0", sid);
    app.document(&menu, &form("CA1", &[("Digits", "101")])).await;
    app.document(&of(&screen, "CA2"), &leg).await;
    let press = attribute(&app.document(&of(&screen, "CA3"), &leg).await, "action");
    app.document(&press.replace("CA3", "CA4"), &[&leg[..], &[("Digits", "1")]].concat()).await;
    app.document(&dialled, &form("CA5", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")])).await;
    app.document(&recorded, &form("CA6", &[("RecordingSid", "RE6"), ("RecordingDuration", "4")])).await;
    for sid in ["CA1", "CA2", "CA3", "CA4", "CA5", "CA6"] {
        let call = app.call(sid).await;
        assert!(call.thread_id.is_some(), "{sid}");
    }
    assert_eq!(app.call("CA4").await.answered_by_id, Some(app.user("acme", "ben").await));
    assert_eq!(app.call("CA6").await.status, CallStatus::Voicemail);
}

/// A row that was created by a webhook without caller and extension is completed by a later one.
#[tokio::test]
async fn a_restored_call_gets_its_caller_and_its_extension() {
    let app = TestApp::start_with_phones().await;
    let greeting = app.document(INBOUND, &form("CA0", &[])).await;
    let rung = app.document(&attribute(&greeting, "action"), &form("CA0", &[("Digits", "101")])).await;
    let dialled = attribute(&rung, "action");
    let gone = [("DialCallStatus", "canceled"), ("DialBridged", "false"), ("CallStatus", "completed")];
    app.document(&dialled, &form("CA1", &gone)).await;
    let call = app.call("CA1").await;
    assert_eq!(
        (call.status, app.call_notifications(&call).await),
        (CallStatus::Canceled, vec!["MissedCall dev".to_owned()])
    );

    let mailbox =
        app.document(&dialled, &form("CA0", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")])).await;
    let recorded = [("CallSid", "CA2"), ("AccountSid", ACCOUNT), ("RecordingSid", "RE2"), ("RecordingDuration", "4")];
    app.document(&attribute(&mailbox, "recordingStatusCallback"), &recorded).await;
    assert_eq!(app.call("CA2").await.contact_id, None);
    app.document(STATUS, &form("CA2", &[("CallStatus", "completed"), ("CallDuration", "40")])).await;
    let call = app.call("CA2").await;
    assert!(call.contact_id.is_some() && call.thread_id.is_some());
    assert_eq!(
        (call.status, app.call_notifications(&call).await),
        (CallStatus::Voicemail, vec!["Voicemail dev".to_owned()])
    );
}

#[tokio::test]
async fn lost_repeated_and_reordered_reports_lead_to_the_same_result() {
    let carrier = carrier();
    let app = start(&carrier).await;
    carrier.set_phone(BEN, PhoneScript::accepts(2, '1'));
    for fault in [CallbackFault::Duplicated, CallbackFault::Reordered, CallbackFault::Lost] {
        carrier.set_callback_fault(fault);
        let talked = carrier.call(waiting_caller()).await.unwrap();
        let call = app.call(&talked.sid).await;
        assert_eq!(call.status, CallStatus::Completed, "{fault:?}");
        assert_eq!(call.answered_by_id, Some(app.user("acme", "ben").await), "{fault:?}");
        assert!(app.call_notifications(&call).await.is_empty(), "{fault:?}");
    }
    // The caller hangs up during the greeting and no status webhook arrives, so the carrier is polled.
    let left = carrier.call(partyline_simulator::CallScript::new(CARLA, "+13035550100").then(CallerStep::HangUp)).await;
    let sid = left.unwrap().sid;
    assert_eq!(app.call(&sid).await.status, CallStatus::Ringing);
    app.clock.advance(Duration::from_secs(15 * 60));
    check_overdue_calls(app.services()).await.unwrap();
    let call = app.call(&sid).await;
    assert_eq!(call.status, CallStatus::NoAnswer);
    assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"]);
}
