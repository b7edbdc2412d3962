use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use chrono::NaiveDate;

use super::act::Act;
use crate::domain::hours::{Hours, Span};
use crate::graphql::errors::Failure;
use crate::graphql::ids;
use crate::graphql::types::{Pool, UpdatePoolPayload};
use crate::graphql::words::{LegCallerId, PoolPolicy, RingStrategy, Weekday};
use crate::service::Refusal;
use crate::service::update_pool::{UpdatePool, update_pool};

/// When a number is open on a day of the week.
#[derive(InputObject)]
pub(super) struct DayHoursInput {
    /// Which day.
    day: Weekday,
    /// From when to when, by the clock of the agency: "09:00-12:00".
    spans: Vec<String>,
}

/// What to change of a pool. What is absent stays.
#[derive(InputObject)]
pub(super) struct UpdatePoolInput {
    /// The pool's number.
    phone_number_id: ID,
    /// How its threads find an assignee from now on.
    policy: Option<PoolPolicy>,
    /// How its phones ring.
    ring_strategy: Option<RingStrategy>,
    /// How long each rings, 10 to 60 seconds.
    ring_seconds: Option<i32>,
    /// Which number the phones show while they ring for an inbound call.
    leg_caller_id: Option<LegCallerId>,
    /// When it takes calls; null is always, none is never. A day that is not named is closed.
    hours: MaybeUndefined<Vec<DayHoursInput>>,
    /// Days on which it takes none: "2026-12-25".
    holidays: Option<Vec<String>>,
    /// What callers hear first, in at most 1,000 characters; null is Partyline's own words.
    greeting: MaybeUndefined<String>,
    /// What they hear before they leave a voicemail; null is Partyline's own words.
    voicemail_greeting: MaybeUndefined<String>,
    /// What is texted to a caller whom nobody answered, in at most 320 characters; null is nothing. It is not sent
    /// to who opted out, nor between nine in the evening and eight in the morning.
    missed_call_text: MaybeUndefined<String>,
}

fn given<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

fn hours(days: Vec<DayHoursInput>) -> Result<Hours, Refusal> {
    let mut hours = Hours::new();
    for DayHoursInput { day, spans } in days {
        let spans = spans.into_iter().map(Span::try_from).collect::<Result<Vec<_>, _>>();
        let spans = spans.map_err(|wrong| Refusal::invalid(wrong, "hours"))?;
        if hours.insert(day.into(), spans).is_some() {
            return Err(Refusal::invalid("A day stands in the list once.", "hours"));
        }
    }
    Ok(hours)
}

fn date(text: &str) -> Result<NaiveDate, Refusal> {
    text.parse().map_err(|_| Refusal::invalid("A day is written 2026-12-25.", "holidays"))
}

impl UpdatePoolInput {
    fn read(self) -> Result<UpdatePool, Refusal> {
        Ok(UpdatePool {
            policy: self.policy.map(Into::into),
            ring_strategy: self.ring_strategy.map(Into::into),
            ring_seconds: self.ring_seconds,
            leg_caller_id: self.leg_caller_id.map(Into::into),
            hours: given(self.hours).map(|days| days.map(hours).transpose()).transpose()?,
            holidays: self.holidays.map(|days| days.iter().map(|day| date(day)).collect()).transpose()?,
            greeting: given(self.greeting),
            voicemail_greeting: given(self.voicemail_greeting),
            missed_call_text: given(self.missed_call_text),
        })
    }
}

#[derive(Default)]
pub(super) struct UpdatePoolMutation;

#[Object]
impl UpdatePoolMutation {
    /// Changes how a number's texts find an assignee, and how its calls are taken. For ADMINs.
    async fn update_pool(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change, of which pool.")] input: UpdatePoolInput,
    ) -> Result<UpdatePoolPayload, Failure> {
        let act = Act::begin(ctx).await?;
        let number = ids::named(&input.phone_number_id, "phone number", "phoneNumberId");
        let outcome = match number.and_then(|number| Ok((number, input.read()?))) {
            Ok((number, change)) => update_pool(act.services(), act.viewer(), number, change).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        let (viewer, settled) = act.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => UpdatePoolPayload { pool: Some(Pool::new(&viewer, row)), user_errors: vec![] },
            Err(user_errors) => UpdatePoolPayload { pool: None, user_errors },
        })
    }
}
