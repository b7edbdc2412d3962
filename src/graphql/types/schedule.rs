use async_graphql::{Enum, SimpleObject};

use crate::domain::schedule;
use crate::graphql::enums::Weekday;
use crate::graphql::scalars::{LocalDate, LocalTime};

/// The times at which a number takes calls, in the agency's time zone.
#[derive(SimpleObject)]
pub struct Schedule {
    /// The kind of the schedule.
    kind: ScheduleKind,
    /// The open times of each day of the week. Empty if `kind` is ALWAYS_OPEN. A day without an entry is closed.
    days: Vec<DaySchedule>,
    /// The days on which the number takes no calls. A holiday closes the spans that begin on it.
    holidays: Vec<Holiday>,
}

/// The kind of a schedule.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum ScheduleKind {
    /// The number always takes calls, except on holidays.
    AlwaysOpen,
    /// The number takes calls at the times given for each day of the week. Without any, it never takes calls.
    Weekly,
}

/// The open times of one day of the week.
#[derive(SimpleObject)]
pub(super) struct DaySchedule {
    /// The day of the week on which the spans begin.
    day: Weekday,
    /// The open times of the day. A span that closes before it opens continues into the next day.
    spans: Vec<TimeSpan>,
}

/// A span of local time in the agency's time zone.
#[derive(SimpleObject)]
pub(super) struct TimeSpan {
    /// The time at which the span begins.
    opens: LocalTime,
    /// The time at which the span ends (exclusive). `24:00` is the end of the day.
    closes: LocalTime,
}

/// A day on which a number takes no calls.
#[derive(SimpleObject)]
pub(super) struct Holiday {
    /// The date of the holiday, in the agency's time zone.
    date: LocalDate,
    /// The name of the holiday. Null if it has none.
    name: Option<String>,
}

impl Schedule {
    pub(super) fn new(schedule::Schedule { hours, holidays }: schedule::Schedule) -> Self {
        let kind = if hours.is_none() { ScheduleKind::AlwaysOpen } else { ScheduleKind::Weekly };
        let days = hours.into_iter().flatten().map(|(day, spans)| {
            let spans = spans.into_iter().map(|span| {
                let (opens, closes) = span.times();
                TimeSpan { opens: LocalTime(opens), closes: LocalTime(closes) }
            });
            DaySchedule { day: day.into(), spans: spans.collect() }
        });
        let holidays = holidays.into_iter().map(|day| Holiday { date: LocalDate(day.date), name: day.name });
        Self { kind, days: days.collect(), holidays: holidays.collect() }
    }
}
