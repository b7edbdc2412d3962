//! When a webhook fails, Twilio requests the number's fallback URL, and the call continues from where it was.

use std::time::Duration;

use partyline::domain::{CallStage, CallStatus};
use partyline_simulator::{CallScript, CallerStep, PhoneScript, Simulator};
use reqwest::StatusCode;

use super::flow::{start, waiting_caller};
use crate::support::carrier::{carrier, deliver};
use crate::support::directory::{ACCOUNT, DESK};
use crate::support::failing_proxy::FailingProxy;
use crate::support::voice::{BEN, CARLA, CHLOE, DEV, INBOUND, STATUS, attribute, form, phones};
use crate::support::{SMS_PATH, TestApp, Text};

/// More failures than Twilio makes attempts.
const ALL_ATTEMPTS: u32 = 6;

/// The fallback's response after a failure at this URL.
async fn fallback(app: &TestApp, sid: &str, failed: &str, more: &[(&'static str, &'static str)]) -> String {
    let failed = failed.split('#').next().unwrap().to_owned();
    let mut fields = vec![("ErrorCode", "11200"), ("ErrorUrl", failed.as_str())];
    fields.extend(more);
    app.document(INBOUND, &form(sid, &fields)).await
}

/// A call whose phones ring; returns the URL of the next step, and of the screening of each phone.
async fn ringing(app: &TestApp, sid: &str, digits: &'static str) -> (String, Vec<(String, String)>) {
    let greeting = app.document(INBOUND, &form(sid, &[])).await;
    let rung = app.document(&attribute(&greeting, "action"), &form(sid, &[("Digits", digits)])).await;
    (attribute(&rung, "action"), phones(&rung))
}

/// A call that has reached the voicemail prompt; returns the URL of the next step.
async fn recording(app: &TestApp, sid: &str) -> String {
    let (dialled, _) = ringing(app, sid, "").await;
    let unanswered = form(sid, &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
    attribute(&app.document(&dialled, &unanswered).await, "action")
}

#[tokio::test]
async fn after_a_failed_menu_the_main_line_rings() {
    let app = TestApp::start_with_phones().await;
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    let menu = attribute(&greeting, "action");
    let rung = fallback(&app, "CA1", &menu, &[]).await;
    assert_eq!(phones(&rung).into_iter().map(|(phone, _)| phone).collect::<Vec<_>>(), [BEN, CHLOE]);
    // Digits in the failed request are not lost.
    let rung = fallback(&app, "CA1", &menu, &[("Digits", "101")]).await;
    assert_eq!(phones(&rung)[0].0, DEV);
}

#[tokio::test]
async fn after_a_conversation_no_phone_rings_again() {
    let app = TestApp::start_with_phones().await;
    let (dialled, legs) = ringing(&app, "CA1", "").await;
    let leg = [("CallSid", "CB1"), ("AccountSid", ACCOUNT), ("From", CARLA), ("To", BEN)];
    let asked = app.document(&legs[0].1, &leg).await;
    let press = attribute(&asked, "action");
    let accepted = app.document(&press, &[&leg[..], &[("Digits", "1")]].concat()).await;
    assert!(!accepted.contains("<Hangup/>"), "{accepted}");
    // The row records who pressed 1, whatever the request contains. A repeated request changes nothing.
    for _ in 0..2 {
        let after = fallback(&app, "CA1", &dialled, &[]).await;
        assert!(after.contains("<Hangup/>") && !after.contains("<Dial") && !after.contains("<Record"), "{after}");
    }
    let call = app.call("CA1").await;
    assert_eq!((call.status, call.answered_by_id), (CallStatus::Completed, Some(app.user("acme", "ben").await)));
    assert!(app.call_notifications(&call).await.is_empty());
    // The fields of the `<Dial>`, if present, are used even if no press was recorded.
    let (dialled, _) = ringing(&app, "CA2", "").await;
    let bridged = [("DialCallStatus", "completed"), ("DialBridged", "true"), ("DialCallDuration", "9")];
    let after = fallback(&app, "CA2", &dialled, &bridged).await;
    assert!(after.contains("<Hangup/>") && !after.contains("<Record"), "{after}");
    assert_eq!(app.call("CA2").await.status, CallStatus::Completed);
}

#[tokio::test]
async fn after_unanswered_phones_the_call_continues() {
    let app = TestApp::start_with_phones().await;
    let (dialled, _) = ringing(&app, "CA1", "").await;
    let after = fallback(&app, "CA1", &dialled, &[]).await;
    assert!(after.contains("<Record ") && !after.contains("<Dial"), "{after}");
    assert_eq!(app.call("CA1").await.stage, CallStage::Recording);
    // With sequential ringing, the next phone rings.
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", ringStrategy: SEQUENTIAL}]}]").await;
    let (dialled, first) = ringing(&app, "CA2", "").await;
    let next = phones(&fallback(&app, "CA2", &dialled, &[]).await);
    assert_eq!((first[0].0.as_str(), next.len(), next[0].0.as_str()), (BEN, 1, CHLOE));
    // A caller who dialed an extension reaches its user's voicemail.
    let (dialled, _) = ringing(&app, "CA3", "101").await;
    assert!(fallback(&app, "CA3", &dialled, &[]).await.contains("Dev Shah"));
    assert_eq!(app.call("CA3").await.mailbox_user_id, Some(app.user("acme", "dev").await));
}

#[tokio::test]
async fn after_a_voicemail_the_caller_hears_goodbye_and_the_voicemail_is_stored() {
    let app = TestApp::start_with_phones().await;
    let with_recording = [("RecordingSid", "RE1"), ("RecordingDuration", "5")];
    // The request may contain the recording, or its own status callback reports it.
    for (sid, more) in [("CA1", &with_recording[..]), ("CA2", &[])] {
        let recorded = recording(&app, sid).await;
        let after = fallback(&app, sid, &recorded, more).await;
        assert!(after.contains("Goodbye") && after.contains("<Hangup/>"), "{after}");
        assert!(!after.contains("<Dial") && !after.contains("<Gather"), "{after}");
        app.document(STATUS, &form(sid, &[("CallStatus", "completed"), ("CallDuration", "60")])).await;
        if more.is_empty() {
            assert!(app.call_notifications(&app.call(sid).await).await.is_empty(), "the recording is still to come");
            let reported = recorded.replace("/recorded?", "/recording?");
            let call = app.call(sid).await;
            let number = format!("&agency={}&number={}", call.agency_id, call.phone_number_id);
            let reported = reported.replace('#', &format!("{number}#"));
            app.document(&reported, &form(sid, &[("RecordingSid", "RE2"), ("RecordingDuration", "5")])).await;
        }
        let call = app.call(sid).await;
        assert_eq!(call.status, CallStatus::Voicemail, "{sid}");
        assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"], "{sid}");
        assert!(app.voicemail_of(&call).await.is_some(), "{sid}");
    }
    let recorded = recording(&app, "CA3").await;
    let after = fallback(&app, "CA3", &recorded.replace("/recorded?", "/silent?"), &[]).await;
    assert!(after.contains("did not hear a message"), "{after}");
    assert_eq!(app.call("CA3").await.status, CallStatus::NoAnswer);
}

#[tokio::test]
async fn a_failed_first_request_or_an_unknown_url_starts_the_call() {
    let app = TestApp::start_with_phones().await;
    let dialled = ringing(&app, "CA0", "").await.0;
    for (n, failed) in [
        format!("https://partyline.test{INBOUND}"),
        dialled.replace("https://partyline.test", "https://elsewhere.test"),
        dialled.replace("https://", "http://"),
        dialled.replace("/api/twilio/voice/", "/elsewhere/"),
        "not an address".to_owned(),
        String::new(),
    ]
    .iter()
    .enumerate()
    {
        let greeting = fallback(&app, &format!("CA1{n}"), failed, &[]).await;
        assert!(greeting.contains("<Gather ") && greeting.contains("Front desk"), "{failed}: {greeting}");
    }
    let error_url = ("ErrorUrl", dialled.as_str());
    let fields = form("CA2", &[error_url, ("ErrorCode", "11200"), ("To", "+13035559999")]);
    assert!(app.document(INBOUND, &fields).await.contains("not in service"));
    let forged = app.voice_signed("not the token", INBOUND, &form("CA3", &[error_url])).await;
    assert_eq!(forged.0, StatusCode::FORBIDDEN);
}

/// The step was processed, but its response was lost on the way to Twilio.
#[tokio::test]
async fn a_step_that_was_already_processed_changes_nothing() {
    let app = TestApp::start_with_phones().await;
    let (dialled, _) = ringing(&app, "CA1", "").await;
    let bridged = [("DialCallStatus", "completed"), ("DialBridged", "true"), ("DialCallDuration", "30")];
    app.document(&dialled, &form("CA1", &bridged)).await;
    let taken = app.call("CA1").await;
    let after = fallback(&app, "CA1", &dialled, &bridged).await;
    assert!(after.contains("<Hangup/>") && !after.contains("<Record"), "{after}");
    assert_eq!(app.call("CA1").await, taken);
    let recorded = recording(&app, "CA2").await;
    app.document(&recorded, &form("CA2", &[("RecordingSid", "RE1"), ("RecordingDuration", "5")])).await;
    let taken = app.call("CA2").await;
    assert!(fallback(&app, "CA2", &recorded, &[]).await.contains("Goodbye"));
    assert_eq!(app.call("CA2").await, taken);
    assert_eq!(app.call_notifications(&taken).await, ["Voicemail ben", "Voicemail chloe"]);
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", ringStrategy: SEQUENTIAL}]}]").await;
    let (dialled, _) = ringing(&app, "CA3", "").await;
    let next = app.document(&dialled, &form("CA3", &[("DialCallStatus", "busy"), ("DialBridged", "false")])).await;
    let taken = app.call("CA3").await;
    let again = fallback(&app, "CA3", &dialled, &[]).await;
    assert_eq!((phones(&next)[0].0.as_str(), phones(&again)[0].0.as_str()), (CHLOE, CHLOE));
    assert_eq!(app.call("CA3").await, taken);
    assert_eq!(app.legs(&taken).await.len(), 2);
}

/// Only the row tells whether there was a conversation. Without it, the fallback must not ring phones for a caller who
/// may have just talked to someone.
#[tokio::test]
async fn the_fallback_responds_503_while_the_row_cannot_be_read() {
    let app = TestApp::start_with_phones().await;
    let (dialled, _) = ringing(&app, "CA1", "").await;
    app.wait_for_call_log().await;
    let failed = dialled.split('#').next().unwrap();
    let fields = form("CA1", &[("ErrorCode", "11200"), ("ErrorUrl", failed)]);
    let held = app.block_writer(app.agency("acme").await).await;
    let waiting = async {
        held.wait_for_queued(1).await;
        app.clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
        app.clock.advance(Duration::from_secs(4));
    };
    let (answer, ()) = tokio::join!(app.voice(INBOUND, &fields), waiting);
    assert_eq!(answer.0, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.1);
    held.unblock().await;
    assert!(app.document(INBOUND, &fields).await.contains("<Record "));
}

async fn start_behind_failing_proxy(carrier: &Simulator) -> (TestApp, FailingProxy) {
    let app = start(carrier).await;
    let proxy = FailingProxy::start(app.address).await;
    deliver(carrier, proxy.address);
    (app, proxy)
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn the_carrier_requests_the_fallback_whichever_step_of_a_call_fails() {
    let step = |name: &str| format!("/api/twilio/voice/{name}");
    let talks = || waiting_caller().talks(9);
    for (failing, script, expected) in [
        ("inbound", talks(), CallStatus::Completed),
        ("menu", talks(), CallStatus::Completed),
        ("dialled", talks(), CallStatus::Completed),
        ("menu", CallScript::new(CARLA, DESK).then(CallerStep::Dial("102#".to_owned())), CallStatus::Completed),
        ("dialled", waiting_caller().then(CallerStep::Speak(7)), CallStatus::Voicemail),
        ("recorded", waiting_caller().then(CallerStep::Speak(7)), CallStatus::Voicemail),
    ] {
        let carrier = carrier();
        let (app, proxy) = start_behind_failing_proxy(&carrier).await;
        // The user ends the conversation, so that the caller stays for the following steps.
        let answers = PhoneScript::Answers { after: 2, presses: Some('1'), press_after: 1, talks: 3 };
        if expected == CallStatus::Completed {
            carrier.set_phone(BEN, answers);
        }
        proxy.fail(&step(failing), ALL_ATTEMPTS);
        let record = carrier.call(script).await.unwrap();
        let what = format!("{failing}: {:#?}", record.transcript);
        assert_eq!(record.error.as_deref(), Some("11200 HTTP retrieval failure: 500"), "{what}");
        let call = app.call(&record.sid).await;
        assert_eq!(call.status, expected, "{what}");
        assert!(record.heard_by("caller").all(|heard| !heard.contains("application error")), "{what}");
        let greetings = record.heard_by("caller").filter(|heard| heard.contains("You have reached")).count();
        assert_eq!(greetings, 1, "{what}");
        assert_eq!(record.legs.iter().filter(|leg| leg.to == BEN).count(), 1, "{what}");
        let asked = proxy.forwarded(INBOUND).pop().unwrap();
        assert_eq!(asked["ErrorCode"], "11200", "{what}");
        let failed = &asked["ErrorUrl"];
        assert!(failed.starts_with(&format!("https://partyline.test{}", step(failing))), "{failed}");
    }
}

#[tokio::test]
async fn a_text_whose_webhook_failed_arrives_at_the_fallback_and_is_stored_once() {
    let carrier = carrier();
    let (app, proxy) = start_behind_failing_proxy(&carrier).await;
    proxy.fail(SMS_PATH, ALL_ATTEMPTS);
    assert_eq!(carrier.text(CARLA, DESK, "Is anybody there?").await, Ok(Some(StatusCode::OK)));
    let asked = proxy.forwarded(SMS_PATH);
    assert_eq!(asked.len(), 1, "the webhook failed each time");
    assert_eq!(
        (asked[0]["ErrorCode"].as_str(), asked[0]["ErrorUrl"].as_str()),
        ("11200", "https://partyline.test/api/twilio/webhook")
    );
    assert_eq!(app.message(&asked[0]["MessageSid"]).await.body, "Is anybody there?");
    // The webhook itself had stored the text, but its response was lost.
    app.receive(Text::new("SM1")).await;
    let again =
        Text::new("SM1").field("ErrorCode", "11200").field("ErrorUrl", "https://partyline.test/api/twilio/webhook");
    app.receive(again).await;
    assert_eq!(app.thread_of("SM1").await.inbound_count, 2);
    app.message("SM1").await;
}
