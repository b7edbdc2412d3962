//! Answers a caller from memory; the step is written behind the answer.

use super::{CallKey, LegNews, Progress, Reached};
use crate::domain::call::is_known_caller;
use crate::domain::ivr::{Course, Happened, LegPlan, Plan, plan, screen};
use crate::domain::{CallStage, CallerIdVerification, LegState, UserId};
use crate::service::Services;

/// Somebody calls one of our numbers. Digits are those that were dialled along with it; `verification` is the carrier's
/// verdict on the caller ID.
pub async fn answer_call(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    digits: Option<&str>,
    verification: Option<CallerIdVerification>,
) -> Plan {
    let happened = match digits {
        Some(digits) => entered(services, &key, digits),
        None => Happened::Called,
    };
    step(services, reached, key, &Course::default(), happened, verification).await
}

/// A caller has dialled an extension, or nothing.
pub async fn keyed(services: &Services, reached: &Reached, key: CallKey, course: &Course, digits: &str) -> Plan {
    let happened = entered(services, &key, digits);
    step(services, reached, key, course, happened, None).await
}

fn entered<'a>(services: &Services, key: &CallKey, digits: &'a str) -> Happened<'a> {
    let (now, guesses) = (services.clock.monotonic(), &services.calls.guesses);
    // Callers who hide their number are not one caller.
    let guesses = is_known_caller(&key.from) && guesses.are_too_many(key.agency, &key.from, now);
    Happened::Keyed { digits, guesses }
}

async fn step(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    course: &Course,
    happened: Happened<'_>,
    verification: Option<CallerIdVerification>,
) -> Plan {
    let now = services.clock.now();
    let plan = plan(&reached.office_for(&key, now), course, happened, now.timestamp());
    let wrong = plan.next().is_some_and(|next| next.tries > course.tries);
    if wrong && is_known_caller(&key.from) {
        services.calls.guesses.count(key.agency, &key.from, services.clock.monotonic());
    }
    services.calls.log.note(key, Progress { wrong, verification, ..Progress::of(&plan, reached) }).await;
    plan
}

/// The caller has left a voicemail, and the request does not say which recording it is. The carrier reports the
/// recording by itself; until then the call stays as one that is being recorded, and is not called missed.
pub async fn recording_to_come(services: &Services, reached: &Reached, key: CallKey, course: &Course) -> Plan {
    let now = services.clock.now();
    let plan = plan(&reached.office_for(&key, now), course, Happened::Recorded, now.timestamp());
    let progress = Progress {
        step: course.step.into(),
        stage: Some(CallStage::Recording),
        extension: reached.extension_of(course),
        ..Progress::default()
    };
    services.calls.log.note(key, progress).await;
    plan
}

/// Somebody, or a mobile's own voicemail, has picked a ringing phone up.
pub async fn picked_up(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    (step, user, sid): (u8, UserId, String),
) -> LegPlan {
    let news = LegNews::of(step, Some(user), Some(sid), LegState::PickedUp);
    services.calls.log.note(key, Progress { leg: Some(news), ..Progress::default() }).await;
    screen(&reached.number.label)
}
