use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use super::mutation_context::{MutationContext, to_option};
use crate::domain::hours::{Hours, Span};
use crate::domain::schedule::Holiday;
use crate::graphql::enums::{LegCallerId, PoolPolicy, RingStrategy, Weekday};
use crate::graphql::errors::Failure;
use crate::graphql::ids;
use crate::graphql::scalars::{LocalDate, LocalTime};
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Pool, ScheduleKind};
use crate::service::Refusal;
use crate::service::update_pool::{ScheduleChange, UpdatePool, update_pool};

/// The times at which a number takes calls, in the agency's time zone.
#[derive(InputObject)]
pub(super) struct ScheduleInput {
    /// The kind of the schedule.
    kind: ScheduleKind,
    /// The open times of each day of the week. Required if `kind` is WEEKLY, where an empty list means that the number
    /// never takes calls; not allowed otherwise.
    days: Option<Vec<DayScheduleInput>>,
    /// The days on which the number takes no calls, at most 200. The list replaces the current one. If absent, the
    /// current one is kept.
    holidays: Option<Vec<HolidayInput>>,
}

/// The open times of one day of the week.
#[derive(InputObject)]
pub(super) struct DayScheduleInput {
    /// The day of the week on which the spans begin. Each day can be listed once; a day that is not listed is closed.
    day: Weekday,
    /// The open times of the day, at most 10. A span that closes before it opens continues into the next day.
    spans: Vec<TimeSpanInput>,
}

/// A span of local time in the agency's time zone.
#[derive(InputObject)]
pub(super) struct TimeSpanInput {
    /// The time at which the span begins, before `24:00`.
    opens: LocalTime,
    /// The time at which the span ends (exclusive). `24:00` is the end of the day.
    closes: LocalTime,
}

/// A day on which a number takes no calls.
#[derive(InputObject)]
pub(super) struct HolidayInput {
    /// The date of the holiday, in the agency's time zone.
    date: LocalDate,
    /// The name of the holiday, 1 to 100 characters. Null if it has none.
    name: Option<String>,
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
    /// The times at which the number takes calls. At other times, callers are sent to voicemail.
    schedule: Option<ScheduleInput>,
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

fn hours(days: Vec<DayScheduleInput>) -> Result<Hours, Refusal> {
    let mut hours = Hours::new();
    for DayScheduleInput { day, spans } in days {
        let spans = spans.into_iter().map(|span| Span::between(&span.opens.0, &span.closes.0));
        let spans = spans.collect::<Result<Vec<_>, _>>().map_err(|error| Refusal::invalid(error, "schedule"))?;
        if hours.insert(day.into(), spans).is_some() {
            return Err(Refusal::invalid("Each day of the week can be listed only once.", "schedule"));
        }
    }
    Ok(hours)
}

impl ScheduleInput {
    fn parse(self) -> Result<ScheduleChange, Refusal> {
        let hours = match (self.kind, self.days) {
            (ScheduleKind::AlwaysOpen, None) => None,
            (ScheduleKind::AlwaysOpen, Some(_)) => {
                let message = "A schedule that is always open has no days. Omit `days`, or choose WEEKLY.";
                return Err(Refusal::invalid(message, "schedule"));
            }
            (ScheduleKind::Weekly, Some(days)) => Some(hours(days)?),
            (ScheduleKind::Weekly, None) => {
                let message = "Give the open times in `days`. An empty list means that the number is always closed.";
                return Err(Refusal::invalid(message, "schedule"));
            }
        };
        let holiday = |HolidayInput { date, name }| Holiday { date: date.0, name };
        Ok(ScheduleChange { hours, holidays: self.holidays.map(|days| days.into_iter().map(holiday).collect()) })
    }
}

impl UpdatePoolInput {
    fn parse(self) -> Result<UpdatePool, Refusal> {
        Ok(UpdatePool {
            policy: self.policy.map(Into::into),
            ring_strategy: self.ring_strategy.map(Into::into),
            ring_seconds: self.ring_seconds,
            leg_caller_id: self.leg_caller_id.map(Into::into),
            schedule: self.schedule.map(ScheduleInput::parse).transpose()?,
            greeting: to_option(self.greeting),
            voicemail_greeting: to_option(self.voicemail_greeting),
            missed_call_text: to_option(self.missed_call_text),
        })
    }
}

/// The result of `updatePool`.
#[derive(SimpleObject)]
pub(super) struct UpdatePoolPayload {
    /// The pool in its new state. Null if the mutation was rejected.
    pool: Option<Pool>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
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
