//! Simultaneous presses of 1: exactly one user gets the caller, however the carrier treats the other legs.

use partyline::domain::LegState;
use partyline_simulator::{LegPolicy, PhoneScript};

use super::flow::{start, waiting_caller};
use crate::support::TestApp;
use crate::support::carrier::carrier_with;
use crate::support::directory::ACCOUNT;
use crate::support::voice::{BEN, CHLOE, INBOUND, attribute, form, phones};

/// The number of races between two presses of 1.
const RACES: usize = 500;
/// The number of concurrent calls.
const CONCURRENT_CALLS: usize = 10;

async fn race(legs: LegPolicy) {
    let carrier = carrier_with(|settings| {
        settings.legs = legs;
        settings.pace.second = std::time::Duration::from_micros(200);
    });
    let app = start(&carrier).await;
    for phone in [BEN, CHLOE] {
        carrier.set_phone(phone, PhoneScript::accepts(1, '1'));
    }
    let mut losers = 0;
    for _ in 0..RACES / CONCURRENT_CALLS {
        let calls = (0..CONCURRENT_CALLS).map(|_| carrier.call(waiting_caller().talks(1)));
        for record in futures_util::future::join_all(calls).await {
            let record = record.unwrap();
            assert_eq!((record.error.as_deref(), record.status.as_str()), (None, "completed"));
            let bridged: Vec<_> = record.legs.iter().filter(|leg| leg.bridged).collect();
            let accepted = record.legs.iter().filter(|leg| leg.accepted).count();
            assert_eq!((bridged.len(), accepted), (1, 1), "{:#?}", record.transcript);
            for lost in record.legs.iter().filter(|leg| !leg.bridged && leg.answered) {
                // The loser hears the announcement unless its leg was ended before it could press.
                losers += usize::from(lost.heard.iter().any(|words| words.contains("already taken")));
                assert_ne!(lost.status, "in-progress");
            }
            let answered = app.call(&record.sid).await.answered_by_id;
            let user = if bridged[0].to == BEN { "ben" } else { "chloe" };
            assert_eq!(answered, Some(app.user("acme", user).await));
        }
    }
    if legs == LegPolicy::Keep {
        assert!(losers > 0, "some users pressed too late and heard the announcement");
    }
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn simultaneous_presses_while_both_legs_keep_ringing() {
    race(LegPolicy::Keep).await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn simultaneous_presses_where_the_first_answer_cancels_the_other_legs() {
    race(LegPolicy::Cancel).await;
}

/// A call whose main line rings: the URL of the `<Dial>` action, and of each phone's screening.
async fn ringing(app: &TestApp, sid: &str) -> (String, Vec<(String, String)>) {
    let greeting = app.document(INBOUND, &form(sid, &[])).await;
    let rung = app.document(&attribute(&greeting, "action"), &form(sid, &[("Digits", "")])).await;
    (attribute(&rung, "action"), phones(&rung))
}

fn leg<'a>(sid: &'a str, phone: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("CallSid", sid), ("AccountSid", ACCOUNT), ("From", "+13035560001"), ("To", phone)];
    fields.extend_from_slice(more);
    fields
}

#[tokio::test]
async fn a_screening_ends_in_hangup_unless_1_is_pressed() {
    let app = TestApp::start_with_phones().await;
    let (_, phones) = ringing(&app, "CA1").await;
    let screen = app.document(&phones[0].1, &leg("CA11", BEN, &[])).await;
    assert!(screen.trim_end().ends_with("<Hangup/></Response>") && screen.contains("Press 1"), "{screen}");
    assert!(!screen.contains("Carla"), "the screening must not name the contact to an unknown listener: {screen}");
    let press = attribute(&screen, "action");
    let two = app.document(&press, &leg("CA11", BEN, &[("Digits", "2")])).await;
    assert!(two.contains("<Hangup/>"), "{two}");
    let one = app.document(&press, &leg("CA11", BEN, &[("Digits", "1")])).await;
    assert!(!one.contains("<Hangup/>"), "{one}");
    // A repeated press, whose first response may have been lost.
    let again = app.document(&press, &leg("CA11", BEN, &[("Digits", "1")])).await;
    assert_eq!(again, one);
    let other = app.document(&phones[1].1, &leg("CA12", CHLOE, &[])).await;
    let late = app.document(&attribute(&other, "action"), &leg("CA12", CHLOE, &[("Digits", "1")])).await;
    assert!(late.contains("already taken") && late.contains("<Hangup/>"), "{late}");
    let call = app.call("CA1").await;
    assert_eq!(call.answered_by_id, Some(app.user("acme", "ben").await));
    let states: Vec<_> = app.legs(&call).await.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [LegState::Accepted, LegState::AlreadyTaken]);
}

#[tokio::test]
async fn the_result_of_the_dial_corrects_the_answering_user() {
    let app = TestApp::start_with_phones().await;
    let (dialled, phones) = ringing(&app, "CA1").await;
    for ((phone, screen), sid) in phones.iter().zip(["CA11", "CA12"]) {
        let screen = app.document(screen, &leg(sid, phone, &[])).await;
        app.document(&attribute(&screen, "action"), &leg(sid, phone, &[("Digits", "1")])).await;
    }
    let ben = app.user("acme", "ben").await;
    assert_eq!(app.call("CA1").await.answered_by_id, Some(ben));
    let ended =
        [("DialCallStatus", "completed"), ("DialCallSid", "CA12"), ("DialBridged", "true"), ("DialCallDuration", "7")];
    let document = app.document(&dialled, &form("CA1", &ended)).await;
    assert!(document.contains("<Hangup/>"), "{document}");
    assert_eq!(app.call("CA1").await.answered_by_id, Some(app.user("acme", "chloe").await));

    // Ben pressed 1 but hung up before he was connected. Chloe, whose leg was ended, is rung again.
    let (dialled, phones) = ringing(&app, "CA2").await;
    let screen = app.document(&phones[0].1, &leg("CA21", BEN, &[])).await;
    app.document(&attribute(&screen, "action"), &leg("CA21", BEN, &[("Digits", "1")])).await;
    let ended = [("DialCallStatus", "completed"), ("DialCallSid", "CA21"), ("DialBridged", "false")];
    let again = app.document(&dialled, &form("CA2", &ended)).await;
    let rung: Vec<_> = crate::support::voice::phones(&again);
    assert_eq!(rung.iter().map(|(phone, _)| phone.as_str()).collect::<Vec<_>>(), [CHLOE]);
    assert_eq!(app.call("CA2").await.answered_by_id, None);
    // A press for the first ringing does not count for the second.
    let late = app.document(&attribute(&screen, "action"), &leg("CA21", BEN, &[("Digits", "1")])).await;
    assert!(late.contains("already taken"), "{late}");
    let screen = app.document(&rung[0].1, &leg("CA22", CHLOE, &[])).await;
    let won = app.document(&attribute(&screen, "action"), &leg("CA22", CHLOE, &[("Digits", "1")])).await;
    assert!(!won.contains("<Hangup/>"), "{won}");
}

/// Twilio keeps the other legs ringing; the user who pressed 1 first hangs up before being connected.
#[tokio::test]
async fn a_call_can_be_accepted_again_after_the_first_accepting_leg_has_ended() {
    let app = TestApp::start_with_phones().await;
    let (dialled, phones) = ringing(&app, "CA1").await;
    let press = async |which: usize, sid: &str, phone: &str| {
        let screen = app.document(&phones[which].1, &leg(sid, phone, &[])).await;
        app.document(&attribute(&screen, "action"), &leg(sid, phone, &[("Digits", "1")])).await
    };
    assert!(!press(0, "CA11", BEN).await.contains("<Hangup/>"));
    assert!(press(1, "CA12", CHLOE).await.contains("already taken"));
    let report = phones[0].1.replace("/screen?", "/leg?");
    app.document(&report, &leg("CA11", BEN, &[("CallStatus", "completed"), ("CallDuration", "2")])).await;
    assert!(!press(1, "CA12", CHLOE).await.contains("<Hangup/>"));
    let ended = [("DialCallStatus", "completed"), ("DialCallSid", "CA12"), ("DialBridged", "true")];
    app.document(&dialled, &form("CA1", &ended)).await;
    let call = app.call("CA1").await;
    assert_eq!(call.answered_by_id, Some(app.user("acme", "chloe").await));
    let states: Vec<_> = app.legs(&call).await.iter().map(|leg| leg.state).collect();
    assert_eq!(states, [LegState::Accepted, LegState::Connected]);
}
