//! Answers a caller from memory. The step is recorded after the answer.

use super::{CallKey, CalledNumber, LegKey, recording_event, step_event};
use crate::domain::call::{CallEvent, LegReport, is_known_caller};
use crate::domain::ivr::{IvrEvent, IvrState, LegPlan, Plan, plan, screen};
use crate::domain::{CallerIdVerification, LegState};
use crate::service::Services;

/// Answers an inbound call. `digits` were dialed together with the number; `verification` is the carrier's verdict on
/// the caller ID.
pub async fn answer_call(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    digits: Option<&str>,
    verification: Option<CallerIdVerification>,
) -> Plan {
    let event = match digits {
        Some(digits) => digits_entered(services, &key, digits),
        None => IvrEvent::CallStarted,
    };
    plan_and_record(services, number, key, &IvrState::default(), event, verification).await
}

/// The caller dialed an extension, or nothing before the timeout.
pub async fn handle_digits(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: &IvrState,
    digits: &str,
) -> Plan {
    let event = digits_entered(services, &key, digits);
    plan_and_record(services, number, key, state, event, None).await
}

fn digits_entered<'a>(services: &Services, key: &CallKey, digits: &'a str) -> IvrEvent<'a> {
    let (now, guesses) = (services.clock.monotonic(), &services.calls.extension_guesses);
    // Callers with a withheld caller ID cannot be told apart.
    let guess_limit_reached = is_known_caller(&key.from) && guesses.is_limit_reached(key.agency, &key.from, now);
    IvrEvent::DigitsEntered { digits, guess_limit_reached }
}

async fn plan_and_record(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: &IvrState,
    event: IvrEvent<'_>,
    verification: Option<CallerIdVerification>,
) -> Plan {
    let now = services.clock.now();
    let plan = plan(&number.office_for(&key, now), state, event, now.timestamp());
    let is_wrong = plan.next().is_some_and(|next| next.tries > state.tries);
    if is_wrong && is_known_caller(&key.from) {
        services.calls.extension_guesses.count(key.agency, &key.from, services.clock.monotonic());
    }
    services.calls.log.append(key, step_event(&plan, number, now, verification)).await;
    plan
}

/// The caller left a voicemail, and the request does not contain the recording. The carrier reports the recording
/// separately; until then the call counts as recording and is not reported as missed.
pub async fn recording_pending(services: &Services, number: &CalledNumber, key: CallKey, state: &IvrState) -> Plan {
    let now = services.clock.now();
    let plan = plan(&number.office_for(&key, now), state, IvrEvent::VoicemailLeft, now.timestamp());
    services.calls.log.append(key, recording_event(number, state)).await;
    plan
}

/// A ringing phone was picked up, by its user or by the voicemail of the phone.
pub async fn screen_leg(services: &Services, number: &CalledNumber, key: CallKey, leg: LegKey) -> LegPlan {
    let report = LegReport::new(leg.step, Some(leg.user), Some(leg.sid), LegState::PickedUp);
    services.calls.log.append(key, CallEvent::Leg(report)).await;
    screen(&number.number.label)
}
