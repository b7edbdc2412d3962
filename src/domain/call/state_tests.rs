use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use uuid::Uuid;

use super::state::{CallEvent, CallState, CallStep, DialResult, LegReport};
use crate::domain::ringing::NotRung;
use crate::domain::{CallEnd, CallStage, CallStatus, Direction, ExtensionId, LegState, NotRungReason, UserId};

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn sid(step: i32, user: u128) -> String {
    format!("CA{step}-{user}")
}

fn leg(step: i32, n: u128, state: LegState, has_ended: bool) -> CallEvent {
    let report = LegReport::new(step, Some(user(n)), Some(sid(step, n)), state);
    CallEvent::Leg(if has_ended { report.ended(Some(7)) } else { report })
}

fn step(step: i32, stage: CallStage, rings: &[u128]) -> CallEvent {
    CallEvent::Step(CallStep {
        step,
        stage: Some(stage),
        wrong_extensions: Some(step - 1),
        extension: (step > 1).then(|| (ExtensionId(Uuid::from_u128(9)), user(9))),
        rings: rings.iter().copied().map(user).collect(),
        // The phone of user 1 rings in some steps, the phone of user 3 in none.
        not_rung: vec![(user(1), NotRungReason::Away), (user(3), reason_at(step))],
        verification: None,
    })
}

/// The reason differs between the steps.
fn reason_at(step: i32) -> NotRungReason {
    if step == 2 { NotRungReason::Away } else { NotRungReason::VoiceOff }
}

/// All callbacks of a call: for none of them does Twilio wait.
fn callbacks() -> Vec<CallEvent> {
    let mut events = Vec::new();
    for (step, n) in [(2, 1), (2, 2), (4, 1)] {
        events.push(leg(step, n, LegState::Ringing, false));
        events.push(leg(step, n, LegState::PickedUp, false));
        events.push(leg(step, n, LegState::NoAnswer, true));
    }
    let contact = LegReport::new(2, None, Some("CAcontact".to_owned()), LegState::PickedUp);
    events.push(CallEvent::Leg(contact.clone()));
    events.push(CallEvent::Leg(contact.ended(Some(12))));
    events.push(CallEvent::Ended { end: CallEnd::Completed, seconds: Some(60) });
    events.push(CallEvent::Ended { end: CallEnd::NoAnswer, seconds: Some(60) });
    events.push(CallEvent::Recorded { has_voicemail: true });
    events
}

fn reports() -> Vec<CallEvent> {
    let steps = [
        step(1, CallStage::Greeting, &[]),
        step(2, CallStage::Ringing, &[1, 2]),
        step(4, CallStage::Ringing, &[1]),
        step(5, CallStage::Recording, &[]),
    ];
    steps.into_iter().chain(callbacks()).collect()
}

fn applied<'a>(events: impl IntoIterator<Item = &'a CallEvent>) -> CallState {
    let mut state = CallState::new(Direction::Inbound, now());
    for event in events {
        state.apply(event, now());
    }
    state.legs.sort_by_key(|leg| (leg.step, leg.user));
    state
}

/// The requests for which Twilio waits, in their order. `accepted` is whether a user pressed 1.
fn requests(accepted: bool) -> Vec<CallEvent> {
    let mut events = vec![step(1, CallStage::Greeting, &[]), step(2, CallStage::Ringing, &[1, 2])];
    if accepted {
        events.push(CallEvent::Accepted { step: 2, user: user(1), sid: sid(2, 1) });
    }
    events.push(CallEvent::DialEnded(DialResult {
        step: 2,
        extension: None,
        bridged: accepted,
        leg_sid: accepted.then(|| sid(2, 1)),
        single: None,
        seconds: accepted.then_some(7),
    }));
    if accepted {
        events.push(CallEvent::Ended { end: CallEnd::Completed, seconds: Some(60) });
    } else {
        events.push(step(3, CallStage::Recording, &[]));
    }
    events
}

proptest! {
    #[test]
    fn reports_give_the_same_state_in_any_order_and_repeated(
        chosen in subsequence(reports(), 0..=reports().len()).prop_shuffle(),
        repeated in proptest::collection::vec(any::<Index>(), 0..6),
    ) {
        let in_order: Vec<CallEvent> = reports().into_iter().filter(|event| chosen.contains(event)).collect();
        let mut received = chosen.clone();
        if !received.is_empty() {
            received.extend(repeated.iter().map(|index| index.get(&chosen).clone()));
        }
        prop_assert_eq!(applied(&received), applied(&in_order));
    }

    #[test]
    fn callbacks_may_arrive_at_any_time_between_the_requests_of_a_call(
        accepted: bool,
        callbacks in subsequence(callbacks_of_legs(), 0..=callbacks_of_legs().len()).prop_shuffle(),
        places in proptest::collection::vec(any::<Index>(), callbacks_of_legs().len()),
    ) {
        let requests = requests(accepted);
        let at_the_end = requests.iter().chain(&callbacks);
        let mut interleaved = requests.clone();
        for (callback, place) in callbacks.iter().zip(&places) {
            interleaved.insert(place.index(interleaved.len() + 1), callback.clone());
        }
        prop_assert_eq!(applied(&interleaved), applied(at_the_end));
    }
}

/// The callbacks of the legs of step 2, and the end of the call.
fn callbacks_of_legs() -> Vec<CallEvent> {
    vec![
        leg(2, 1, LegState::Ringing, false),
        leg(2, 1, LegState::PickedUp, false),
        leg(2, 1, LegState::PickedUp, true),
        leg(2, 2, LegState::Ringing, false),
        leg(2, 2, LegState::Canceled, true),
        CallEvent::Ended { end: CallEnd::Completed, seconds: Some(60) },
    ]
}

#[test]
fn an_accepted_call_that_is_connected_is_completed() {
    let state = applied(&requests(true));
    assert_eq!((state.status(), state.answered_by), (CallStatus::Completed, Some(user(1))));
    assert!(state.legs.iter().all(|leg| leg.ended_at.is_some()));
}

#[test]
fn a_claim_is_lost_when_its_leg_ends_before_the_caller_is_connected() {
    let mut state = CallState::new(Direction::Inbound, now());
    state.apply(&CallEvent::Accepted { step: 2, user: user(1), sid: sid(2, 1) }, now());
    assert_eq!(state.lost_claim(), None);
    state.apply(&leg(2, 1, LegState::PickedUp, true), now());
    assert_eq!(state.lost_claim(), Some("CA2-1"));
}

#[test]
fn a_call_is_open_until_the_caller_goes_on_or_hangs_up() {
    let mut state = CallState::new(Direction::Inbound, now());
    state.apply(&step(2, CallStage::Ringing, &[1]), now());
    assert!(state.is_open_at(2));
    state.apply(&step(3, CallStage::Recording, &[]), now());
    assert!(!state.is_open_at(2));
    state.apply(&CallEvent::Ended { end: CallEnd::Completed, seconds: None }, now());
    assert!(!state.is_open_at(3));
}

#[test]
fn users_whose_phones_never_rang_keep_the_reason_of_the_earliest_step() {
    let state = applied(&[step(4, CallStage::Ringing, &[1]), step(2, CallStage::Ringing, &[2])]);
    let expected = NotRung { step: 2, reason: NotRungReason::Away };
    assert_eq!(state.not_rung.into_iter().collect::<Vec<_>>(), [(user(3), expected)]);
}
