//! The schedule of a number: its business hours and its holidays, in the agency's time zone.

use chrono::{DateTime, Days, NaiveDate, Utc};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::hours::{Hours, MINUTES_PER_DAY, Weekday, local_time};

/// The maximum number of holidays of a number.
pub const MAX_HOLIDAYS: usize = 200;

/// When a number takes calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// `None` means always, except on holidays. Empty hours mean never.
    pub hours: Option<Hours>,
    pub holidays: Vec<Holiday>,
}

/// A day on which the number takes no calls. Stored as its date if it has no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredHoliday", into = "StoredHoliday")]
pub struct Holiday {
    pub date: NaiveDate,
    pub name: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredHoliday {
    Date(NaiveDate),
    Named { date: NaiveDate, name: String },
}

impl From<StoredHoliday> for Holiday {
    fn from(stored: StoredHoliday) -> Self {
        match stored {
            StoredHoliday::Date(date) => Self { date, name: None },
            StoredHoliday::Named { date, name } => Self { date, name: Some(name) },
        }
    }
}

impl From<Holiday> for StoredHoliday {
    fn from(Holiday { date, name }: Holiday) -> Self {
        match name {
            None => Self::Date(date),
            Some(name) => Self::Named { date, name },
        }
    }
}

/// How far ahead [`Schedule::next_change`] looks: longer than the most holidays in a row.
const HORIZON: Days = Days::new(MAX_HOLIDAYS as u64 + 14);

impl Schedule {
    /// Whether the number is open. Spans are in local time, so "09:00-17:00" begins at nine also on days on which the
    /// clocks change. A holiday closes the spans that begin on it, to their end on the next day, and no others.
    pub fn is_open(&self, zone: &TimeZone, now: DateTime<Utc>) -> bool {
        if self.hours.is_none() && self.holidays.is_empty() {
            return true;
        }
        let (date, weekday, minute) = local_time(zone, now);
        let is_holiday = |date: Option<NaiveDate>| date.is_some_and(|date| self.is_holiday(date));
        let Some(hours) = &self.hours else { return !is_holiday(date) };
        let spans = |day: Weekday| hours.get(&day).map_or(&[][..], Vec::as_slice).iter();
        let opened_today =
            spans(weekday).any(|span| span.from <= minute && (minute < span.to || span.spans_midnight()));
        let opened_yesterday = spans(weekday.before()).any(|span| span.spans_midnight() && minute < span.to);
        let yesterday = date.and_then(|date| date.pred_opt());
        (opened_today && !is_holiday(date)) || (opened_yesterday && !is_holiday(yesterday))
    }

    /// The next time at which [`is_open`](Self::is_open) changes. `None` if it never does.
    pub fn next_change(&self, zone: &TimeZone, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_constant = match &self.hours {
            None => self.holidays.is_empty(),
            Some(hours) => hours.values().all(Vec::is_empty),
        };
        let (Some(today), ..) = local_time(zone, now) else { return None };
        let end = today.checked_add_days(HORIZON)?;
        if is_constant {
            return None;
        }
        let open = self.is_open(zone, now);
        let changes = |at: &DateTime<Utc>| *at > now && self.is_open(zone, *at) != open;
        // The state changes only where a span begins or ends, at midnight, or where the clocks change.
        let clocks = zone.following(timestamp(now)).filter_map(|transition| utc(transition.timestamp())).take(4);
        let clocks: Vec<DateTime<Utc>> = clocks.collect();
        let mut day = today;
        while day <= end {
            let edges = self.edges(day, zone).into_iter().filter(&changes);
            let clocks = clocks.iter().copied().filter(|at| local_time(zone, *at).0 <= Some(day)).filter(&changes);
            if let Some(first) = edges.chain(clocks).min() {
                return Some(first);
            }
            day = day.succ_opt()?;
        }
        None
    }

    fn is_holiday(&self, date: NaiveDate) -> bool {
        self.holidays.iter().any(|holiday| holiday.date == date)
    }

    /// The midnight at which the day begins, and the edges of spans on it. Where the clocks go back, an edge occurs
    /// twice.
    fn edges(&self, day: NaiveDate, zone: &TimeZone) -> Vec<DateTime<Utc>> {
        let spans = self.hours.iter().flat_map(|hours| hours.values().flatten());
        let mut minutes: Vec<u16> = spans.flat_map(|span| [span.from, span.to % MINUTES_PER_DAY]).chain([0]).collect();
        minutes.sort_unstable();
        minutes.dedup();
        let instants = |minute: u16| {
            let time = Time::new((minute / 60).try_into().ok()?, (minute % 60).try_into().ok()?, 0, 0).ok()?;
            let local = civil(day)?.to_datetime(time);
            let ambiguous = |at: jiff::tz::AmbiguousTimestamp| [at.earlier().ok(), at.later().ok()];
            Some(
                ambiguous(zone.to_ambiguous_timestamp(local)).into_iter().flatten().filter_map(utc).collect::<Vec<_>>(),
            )
        };
        minutes.into_iter().filter_map(instants).flatten().collect()
    }
}

fn civil(day: NaiveDate) -> Option<Date> {
    use chrono::Datelike as _;
    Date::new(day.year().try_into().ok()?, day.month().try_into().ok()?, day.day().try_into().ok()?).ok()
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from_microsecond(at.timestamp_micros()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn utc(at: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(at.as_microsecond())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::hours::Span;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn hours(day: Weekday, spans: &[&str]) -> Hours {
        Hours::from([(day, spans.iter().map(|span| Span::try_from((*span).to_owned()).unwrap()).collect())])
    }

    fn schedule(hours: Option<&Hours>, holidays: &[NaiveDate]) -> Schedule {
        let holidays = holidays.iter().map(|date| Holiday { date: *date, name: None }).collect();
        Schedule { hours: hours.cloned(), holidays }
    }

    fn is_open(hours: Option<&Hours>, holidays: &[NaiveDate], zone: &TimeZone, now: DateTime<Utc>) -> bool {
        schedule(hours, holidays).is_open(zone, now)
    }

    #[test]
    fn hours_are_in_local_time() {
        let denver = TimeZone::get("America/Denver").unwrap();
        let office = hours(Weekday::Mon, &["09:00-12:00", "13:00-17:00"]);
        for (utc, open) in [
            ("2026-11-23T15:59:59Z", false),
            ("2026-11-23T16:00:00Z", true),
            ("2026-11-23T18:59:59Z", true),
            ("2026-11-23T19:00:00Z", false),
            ("2026-11-23T20:00:00Z", true),
            ("2026-11-24T00:00:00Z", false),
            // Tuesday.
            ("2026-11-24T17:00:00Z", false),
        ] {
            assert_eq!(is_open(Some(&office), &[], &denver, at(utc)), open, "{utc}");
        }
        let holiday = [NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()];
        assert!(!is_open(Some(&office), &holiday, &denver, at("2026-11-23T16:00:00Z")));
        assert!(!is_open(None, &holiday, &denver, at("2026-11-23T16:00:00Z")));
        // In Denver it is still the 22nd.
        assert!(is_open(None, &holiday, &denver, at("2026-11-23T06:59:00Z")));
        assert!(is_open(None, &[], &denver, at("2026-11-23T03:00:00Z")));
        assert!(!is_open(Some(&Hours::new()), &[], &denver, at("2026-11-23T16:00:00Z")));
    }

    #[test]
    fn hours_follow_clock_changes() {
        let denver = TimeZone::get("America/Denver").unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let sunday = hours(Weekday::Sun, &["01:30-03:30"]);
        for (zone, utc, open) in [
            // 2026-03-08 in Denver: 02:00 MST is 03:00 MDT.
            (&denver, "2026-03-08T08:29:00Z", false),
            (&denver, "2026-03-08T08:30:00Z", true),
            (&denver, "2026-03-08T09:00:00Z", true),
            (&denver, "2026-03-08T09:29:00Z", true),
            (&denver, "2026-03-08T09:30:00Z", false),
            // 2026-11-01 in Denver: 02:00 MDT is 01:00 MST, so 01:30 occurs twice.
            (&denver, "2026-11-01T07:30:00Z", true),
            (&denver, "2026-11-01T08:00:00Z", false),
            (&denver, "2026-11-01T08:30:00Z", true),
            (&denver, "2026-11-01T10:29:00Z", true),
            (&denver, "2026-11-01T10:30:00Z", false),
            // 2026-03-29 in Berlin: 02:00 CET is 03:00 CEST.
            (&berlin, "2026-03-29T00:29:00Z", false),
            (&berlin, "2026-03-29T00:30:00Z", true),
            (&berlin, "2026-03-29T01:29:00Z", true),
            (&berlin, "2026-03-29T01:30:00Z", false),
            // 2026-10-25 in Berlin: 03:00 CEST is 02:00 CET.
            (&berlin, "2026-10-24T23:29:00Z", false),
            (&berlin, "2026-10-24T23:30:00Z", true),
            (&berlin, "2026-10-25T01:59:00Z", true),
            (&berlin, "2026-10-25T02:29:00Z", true),
            (&berlin, "2026-10-25T02:30:00Z", false),
        ] {
            assert_eq!(is_open(Some(&sunday), &[], zone, at(utc)), open, "{utc}");
        }
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = hours(Weekday::Mon, &["22:00-06:00"]);
        let sunday_night = hours(Weekday::Sun, &["22:00-06:00"]);
        let evening = hours(Weekday::Mon, &["22:00-00:00"]);
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
        // The 23rd is a Monday.
        for (hours, holidays, utc, open) in [
            (&night, &[][..], "2026-11-23T05:59:00Z", false),
            (&night, &[], "2026-11-23T21:59:00Z", false),
            (&night, &[], "2026-11-23T22:00:00Z", true),
            (&night, &[], "2026-11-23T23:59:00Z", true),
            (&night, &[], "2026-11-24T00:00:00Z", true),
            (&night, &[], "2026-11-24T05:59:00Z", true),
            (&night, &[], "2026-11-24T06:00:00Z", false),
            (&night, &[], "2026-11-24T22:00:00Z", false),
            // From the last day of the week into the first.
            (&sunday_night, &[], "2026-11-23T05:59:00Z", true),
            (&sunday_night, &[], "2026-11-24T05:59:00Z", false),
            // A holiday closes the whole night that begins on it, but not the night before.
            (&night, &[day(23)], "2026-11-23T22:00:00Z", false),
            (&night, &[day(23)], "2026-11-24T05:59:00Z", false),
            (&night, &[day(24)], "2026-11-24T05:59:00Z", true),
            (&sunday_night, &[day(23)], "2026-11-23T05:59:00Z", true),
            (&evening, &[], "2026-11-23T23:59:00Z", true),
            (&evening, &[], "2026-11-24T00:00:00Z", false),
        ] {
            assert_eq!(is_open(Some(hours), holidays, &TimeZone::UTC, at(utc)), open, "{utc} {holidays:?}");
        }
    }

    #[test]
    fn the_next_change_is_the_first_minute_with_another_state() {
        let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
        let office = Hours::from([
            (Weekday::Mon, vec![Span::between("09:00", "12:00").unwrap(), Span::between("12:00", "17:00").unwrap()]),
            (Weekday::Sat, vec![Span::between("22:00", "06:00").unwrap()]),
            (Weekday::Sun, vec![Span::between("01:30", "03:30").unwrap(), Span::between("08:00", "24:00").unwrap()]),
        ]);
        for zone in ["America/Denver", "Europe/Berlin", "UTC", "Australia/Lord_Howe"] {
            let zone = TimeZone::get(zone).unwrap();
            for (schedule, start) in [
                (schedule(Some(&office), &[]), "2026-03-06T00:00:30Z"),
                (schedule(Some(&office), &[]), "2026-03-27T12:00:00Z"),
                (schedule(Some(&office), &[day(11, 1)]), "2026-10-30T12:00:00Z"),
                (schedule(None, &[day(11, 1), day(11, 2)]), "2026-10-30T12:00:00Z"),
            ] {
                let mut now = at(start);
                for _ in 0..6 {
                    let open = schedule.is_open(&zone, now);
                    let minutes = (1..=8 * 24 * 60).map(|minute| start_of_minute(now) + TimeDelta::minutes(minute));
                    let expected = minutes.into_iter().find(|minute| schedule.is_open(&zone, *minute) != open);
                    let found = schedule.next_change(&zone, now);
                    assert_eq!(found.filter(|_| expected.is_some()), expected, "{zone:?} {now}");
                    let Some(next) = found else { break };
                    now = next;
                }
            }
        }
        assert_eq!(schedule(None, &[]).next_change(&TimeZone::UTC, at("2026-11-23T00:00:00Z")), None);
        assert_eq!(schedule(Some(&Hours::new()), &[]).next_change(&TimeZone::UTC, at("2026-11-23T00:00:00Z")), None);
        // All holidays are over.
        assert_eq!(schedule(None, &[day(1, 1)]).next_change(&TimeZone::UTC, at("2026-11-23T00:00:00Z")), None);
    }

    fn start_of_minute(at: DateTime<Utc>) -> DateTime<Utc> {
        at - TimeDelta::seconds(at.timestamp().rem_euclid(60))
    }

    #[test]
    fn holidays_are_stored_as_dates_unless_they_have_names() {
        let stored = r#"["2026-12-25",{"date":"2026-12-31","name":"Inventory"}]"#;
        let holidays: Vec<Holiday> = serde_json::from_str(stored).unwrap();
        assert_eq!(holidays[0].name, None);
        assert_eq!(holidays[1].name.as_deref(), Some("Inventory"));
        assert_eq!(serde_json::to_string(&holidays).unwrap(), stored);
    }
}
