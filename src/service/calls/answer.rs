//! Answers a caller from memory; the step is written behind the answer.

use super::{CallKey, LegNews, Progress, Reached};
use crate::domain::ivr::{Course, Happened, LegPlan, Plan, plan, screen};
use crate::domain::{LegState, UserId};
use crate::service::Services;

/// Somebody calls one of our numbers. Digits are those that were dialled along with it.
pub async fn answer_call(services: &Services, reached: &Reached, key: CallKey, digits: Option<&str>) -> Plan {
    let course = Course::default();
    match digits {
        Some(digits) => keyed(services, reached, key, &course, digits).await,
        None => step(services, reached, key, &course, Happened::Called).await,
    }
}

/// A caller has dialled an extension, or nothing.
pub async fn keyed(services: &Services, reached: &Reached, key: CallKey, course: &Course, digits: &str) -> Plan {
    let now = services.clock.monotonic();
    let guesses = services.calls.guesses.are_too_many(key.agency, &key.from, now);
    step(services, reached, key, course, Happened::Keyed { digits, guesses }).await
}

async fn step(services: &Services, reached: &Reached, key: CallKey, course: &Course, happened: Happened<'_>) -> Plan {
    let now = services.clock.now();
    let plan = plan(&reached.office_for(&key, now), course, happened, now.timestamp());
    let wrong = plan.next().is_some_and(|next| next.tries > course.tries);
    if wrong {
        services.calls.guesses.count(key.agency, &key.from, services.clock.monotonic());
    }
    services.calls.log.note(key, Progress { wrong, ..Progress::of(&plan, reached) }).await;
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
