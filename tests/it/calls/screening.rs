//! Many press 1 at once: one has the caller, in whichever way the carrier treats the other legs.

use partyline::domain::LegState;
use partyline::simulator::{Legs, PhoneScript};

use super::flow::{start, waits};
use crate::support::TestApp;
use crate::support::carrier::carrier_with;
use crate::support::directory::ACCOUNT;
use crate::support::voice::{BEN, CHLOE, INBOUND, attribute, form, phones};

/// How often two press 1 at the same moment.
const RACES: usize = 500;
/// How many calls go on at once.
const AT_ONCE: usize = 10;

async fn race(legs: Legs) {
    let carrier = carrier_with(|settings| {
        settings.legs = legs;
        settings.pace.second = std::time::Duration::from_micros(200);
    });
    let app = start(&carrier).await;
    for phone in [BEN, CHLOE] {
        carrier.set_phone(phone, PhoneScript::accepts(1, '1'));
    }
    let mut losers = 0;
    for _ in 0..RACES / AT_ONCE {
        let calls = (0..AT_ONCE).map(|_| carrier.call(waits().talks(1)));
        for record in futures_util::future::join_all(calls).await {
            let record = record.unwrap();
            assert_eq!((record.error.as_deref(), record.status.as_str()), (None, "completed"));
            let bridged: Vec<_> = record.legs.iter().filter(|leg| leg.bridged).collect();
            let accepted = record.legs.iter().filter(|leg| leg.accepted).count();
            assert_eq!((bridged.len(), accepted), (1, 1), "{:#?}", record.transcript);
            for lost in record.legs.iter().filter(|leg| !leg.bridged && leg.answered) {
                // It was told, unless it was hung up on before it could press.
                losers += usize::from(lost.heard.iter().any(|words| words.contains("already taken")));
                assert_ne!(lost.status, "in-progress");
            }
            let answered = app.call(&record.sid).await.answered_by_id;
            let user = if bridged[0].to == BEN { "ben" } else { "chloe" };
            assert_eq!(answered, Some(app.user("acme", user).await));
        }
    }
    if legs == Legs::Keep {
        assert!(losers > 0, "some pressed too late and were told so");
    }
}

#[tokio::test]
async fn two_press_1_at_once_while_both_legs_are_kept() {
    race(Legs::Keep).await;
}

#[tokio::test]
async fn two_press_1_at_once_where_the_first_pick_up_cancels_the_others() {
    race(Legs::Cancel).await;
}

/// A call whose main line rings: the address of the Dial's action, and each phone's screening.
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
async fn without_a_1_a_screening_ends_in_hangup_and_with_it_it_does_not() {
    let app = TestApp::start_with_phones().await;
    let (_, phones) = ringing(&app, "CA1").await;
    let screen = app.document(&phones[0].1, &leg("CA11", BEN, &[])).await;
    assert!(screen.trim_end().ends_with("<Hangup/></Response>") && screen.contains("Press 1"), "{screen}");
    assert!(!screen.contains("Carla"), "nobody knows who listens: {screen}");
    let press = attribute(&screen, "action");
    let two = app.document(&press, &leg("CA11", BEN, &[("Digits", "2")])).await;
    assert!(two.contains("<Hangup/>"), "{two}");
    let one = app.document(&press, &leg("CA11", BEN, &[("Digits", "1")])).await;
    assert!(!one.contains("<Hangup/>"), "{one}");
    // The same press again, for its answer may have been lost.
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
async fn the_dials_end_corrects_who_answered() {
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

    // Ben pressed 1 and was gone before he was connected: Chloe, who was cut off, is rung once more.
    let (dialled, phones) = ringing(&app, "CA2").await;
    let screen = app.document(&phones[0].1, &leg("CA21", BEN, &[])).await;
    app.document(&attribute(&screen, "action"), &leg("CA21", BEN, &[("Digits", "1")])).await;
    let ended = [("DialCallStatus", "completed"), ("DialCallSid", "CA21"), ("DialBridged", "false")];
    let again = app.document(&dialled, &form("CA2", &ended)).await;
    let rung: Vec<_> = crate::support::voice::phones(&again);
    assert_eq!(rung.iter().map(|(phone, _)| phone.as_str()).collect::<Vec<_>>(), [CHLOE]);
    assert_eq!(app.call("CA2").await.answered_by_id, None);
    // Who pressed for the first ringing has nothing of the second.
    let late = app.document(&attribute(&screen, "action"), &leg("CA21", BEN, &[("Digits", "1")])).await;
    assert!(late.contains("already taken"), "{late}");
    let screen = app.document(&rung[0].1, &leg("CA22", CHLOE, &[])).await;
    let won = app.document(&attribute(&screen, "action"), &leg("CA22", CHLOE, &[("Digits", "1")])).await;
    assert!(!won.contains("<Hangup/>"), "{won}");
}

/// Twilio keeps the other legs ringing: who pressed first has gone before he was connected.
#[tokio::test]
async fn a_claim_whose_leg_has_gone_is_free_for_the_next() {
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
