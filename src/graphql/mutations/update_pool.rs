use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use chrono::NaiveDate;

use super::mutation_context::MutationContext;
use crate::domain::hours::{Hours, Span};
use crate::graphql::enums::{LegCallerId, PoolPolicy, RingStrategy, Weekday};
use crate::graphql::errors::Failure;
use crate::graphql::ids;
use crate::graphql::types::{Pool, UpdatePoolPayload};
use crate::service::Refusal;
use crate::service::update_pool::{UpdatePool, update_pool};

/// The business hours of a pool on one day of the week.
#[derive(InputObject)]
pub(super) struct DayHoursInput {
    /// The day of the week. Each day can be listed once; a day that is not listed is closed.
    day: Weekday,
    /// The open times of the day, at most 10, such as `09:00-12:00`, in the agency's time zone. `24:00` is the end of
    /// the day; a span that ends before it begins continues into the next day.
    spans: Vec<String>,
}

/// The input of `updatePool`. Absent fields are left unchanged.
#[derive(InputObject)]
pub(super) struct UpdatePoolInput {
    /// The ID of the phone number that the pool belongs to.
    phone_number_id: ID,
    /// The rule by which the threads of the pool get an assignee.
    policy: Option<PoolPolicy>,
    /// The order in which the phones of the pool ring for an inbound call.
    ring_strategy: Option<RingStrategy>,
    /// The time for which each phone rings, in seconds: 10 to 60.
    ring_seconds: Option<i32>,
    /// The caller ID that the phones show while they ring for an inbound call.
    leg_caller_id: Option<LegCallerId>,
    /// The business hours. Outside them callers are sent to voicemail. Null means always open; an empty list means
    /// always closed.
    hours: MaybeUndefined<Vec<DayHoursInput>>,
    /// The days on which the number takes no calls, such as `2026-12-25`; at most 200. The list replaces the current
    /// one.
    holidays: Option<Vec<String>>,
    /// The text that is read to callers first, 1 to 1,000 characters. Null means Partyline's default greeting.
    greeting: MaybeUndefined<String>,
    /// The text that is read to callers before they leave a voicemail, 1 to 1,000 characters. Null means Partyline's
    /// default text.
    voicemail_greeting: MaybeUndefined<String>,
    /// The text that is sent to a caller after a missed call, 1 to 320 characters. Null means that no text is sent. It
    /// is not sent to contacts who opted out, nor from 21:00 to 08:00 in the agency's time zone, nor more than once in
    /// 12 hours to the same contact.
    missed_call_text: MaybeUndefined<String>,
}

fn to_option<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
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
        let spans = spans.map_err(|error| Refusal::invalid(error, "hours"))?;
        if hours.insert(day.into(), spans).is_some() {
            return Err(Refusal::invalid("Each day of the week can be listed only once.", "hours"));
        }
    }
    Ok(hours)
}

fn date(text: &str) -> Result<NaiveDate, Refusal> {
    text.parse().map_err(|_| Refusal::invalid("A holiday must be a date such as 2026-12-25.", "holidays"))
}

impl UpdatePoolInput {
    fn parse(self) -> Result<UpdatePool, Refusal> {
        Ok(UpdatePool {
            policy: self.policy.map(Into::into),
            ring_strategy: self.ring_strategy.map(Into::into),
            ring_seconds: self.ring_seconds,
            leg_caller_id: self.leg_caller_id.map(Into::into),
            hours: to_option(self.hours).map(|days| days.map(hours).transpose()).transpose()?,
            holidays: self.holidays.map(|days| days.iter().map(|day| date(day)).collect()).transpose()?,
            greeting: to_option(self.greeting),
            voicemail_greeting: to_option(self.voicemail_greeting),
            missed_call_text: to_option(self.missed_call_text),
        })
    }
}

#[derive(Default)]
pub(super) struct UpdatePoolMutation;

#[Object]
impl UpdatePoolMutation {
    /// Changes the settings of a pool: its policy for texts, and how its calls are answered. ADMINs only. Errors:
    /// FORBIDDEN, INVALID, NOT_FOUND.
    async fn update_pool(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `updatePool`.")] input: UpdatePoolInput,
    ) -> Result<UpdatePoolPayload, Failure> {
        let mutation = MutationContext::new(ctx).await?;
        let number = ids::parse_input(&input.phone_number_id, "phone number", "phoneNumberId");
        let outcome = match number.and_then(|number| Ok((number, input.parse()?))) {
            Ok((number, change)) => update_pool(mutation.services(), mutation.viewer(), number, change).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => UpdatePoolPayload { pool: Some(Pool::new(&viewer, row)), user_errors: vec![] },
            Err(user_errors) => UpdatePoolPayload { pool: None, user_errors },
        })
    }
}
