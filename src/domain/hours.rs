//! Business hours of a number: spans per weekday, written as `"09:00-12:00"`, and holidays.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A weekday, in the spelling of the directory file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
// Deserialized from a string, so that an error below a day has the day in its path.
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A span of open hours, from `from` (inclusive) to `to` (exclusive), in minutes since midnight; 24:00 is 1440. A span
/// that ends before it begins ends on the next day: "22:00-06:00".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    from: u16,
    to: u16,
}

/// The open spans of each weekday. A missing day is closed.
pub type Hours = BTreeMap<Weekday, Vec<Span>>;

const MINUTES_PER_DAY: u16 = 24 * 60;

/// The most spans of one day.
pub const MAX_SPANS: usize = 10;
/// The most holidays of a number.
pub const MAX_HOLIDAYS: usize = 200;

/// Whether a number is open. `hours` of `None` means always, except on holidays. Spans are in local time, so
/// "09:00-17:00" begins at nine also on days on which the clocks change. A holiday closes the spans that begin on it,
/// to their end on the next day, and no others.
pub fn is_open(hours: Option<&Hours>, holidays: &[NaiveDate], zone: &TimeZone, now: DateTime<Utc>) -> bool {
    let (date, weekday, minute) = local_time(zone, now);
    let is_holiday = |date: Option<NaiveDate>| date.is_some_and(|date| holidays.contains(&date));
    let Some(hours) = hours else { return !is_holiday(date) };
    let spans = |day: Weekday| hours.get(&day).map_or(&[][..], Vec::as_slice).iter();
    let opened_today = spans(weekday).any(|span| span.from <= minute && (minute < span.to || span.spans_midnight()));
    let opened_yesterday = spans(weekday.before()).any(|span| span.spans_midnight() && minute < span.to);
    let yesterday = date.and_then(|date| date.pred_opt());
    (opened_today && !is_holiday(date)) || (opened_yesterday && !is_holiday(yesterday))
}

impl Weekday {
    fn before(self) -> Self {
        match self {
            Self::Mon => Self::Sun,
            Self::Tue => Self::Mon,
            Self::Wed => Self::Tue,
            Self::Thu => Self::Wed,
            Self::Fri => Self::Thu,
            Self::Sat => Self::Fri,
            Self::Sun => Self::Sat,
        }
    }
}

impl TryFrom<String> for Weekday {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(match text.as_str() {
            "mon" => Self::Mon,
            "tue" => Self::Tue,
            "wed" => Self::Wed,
            "thu" => Self::Thu,
            "fri" => Self::Fri,
            "sat" => Self::Sat,
            "sun" => Self::Sun,
            _ => return Err("not a weekday; use mon, tue, wed, thu, fri, sat or sun"),
        })
    }
}

impl Span {
    fn spans_midnight(self) -> bool {
        self.to < self.from
    }
}

/// The quiet hours, in minutes of local time: from 21:00 to 8:00 no automatic text is sent to a contact who has not
/// written first.
const QUIET_HOURS: (u16, u16) = (21 * 60, 8 * 60);

/// Whether it is within the quiet hours.
pub fn is_quiet(zone: &TimeZone, now: DateTime<Utc>) -> bool {
    let (.., minute) = local_time(zone, now);
    minute >= QUIET_HOURS.0 || minute < QUIET_HOURS.1
}

fn local_time(zone: &TimeZone, now: DateTime<Utc>) -> (Option<NaiveDate>, Weekday, u16) {
    let timestamp = Timestamp::from_microsecond(now.timestamp_micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    let local = zone.to_datetime(timestamp);
    let (month, day) = (u32::from(local.month().unsigned_abs()), u32::from(local.day().unsigned_abs()));
    let weekday = match local.weekday() {
        jiff::civil::Weekday::Monday => Weekday::Mon,
        jiff::civil::Weekday::Tuesday => Weekday::Tue,
        jiff::civil::Weekday::Wednesday => Weekday::Wed,
        jiff::civil::Weekday::Thursday => Weekday::Thu,
        jiff::civil::Weekday::Friday => Weekday::Fri,
        jiff::civil::Weekday::Saturday => Weekday::Sat,
        jiff::civil::Weekday::Sunday => Weekday::Sun,
    };
    let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
    (NaiveDate::from_ymd_opt(local.year().into(), month, day), weekday, minute)
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || r#"invalid hours; write them as "09:00-17:00""#.to_owned();
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let span = Self { from: minute(from).ok_or_else(wrong)?, to: minute(to).ok_or_else(wrong)? };
        if span.from == span.to {
            return Err(r#"a span of hours cannot be empty; a whole day is "00:00-24:00""#.to_owned());
        }
        if span.from == MINUTES_PER_DAY {
            return Err("a span of hours must begin before 24:00".to_owned());
        }
        Ok(span)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        format!("{}-{}", clock(span.from), clock(span.to))
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    // The integer parser would also accept a sign.
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let two_digits = |part: &str| digits(part).then(|| part.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= MINUTES_PER_DAY).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn hours(day: Weekday, spans: &[&str]) -> Hours {
        Hours::from([(day, spans.iter().map(|span| Span::try_from((*span).to_owned()).unwrap()).collect())])
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
    fn quiet_hours_are_from_nine_in_the_evening_to_eight() {
        let denver = TimeZone::get("America/Denver").unwrap();
        for (utc, quiet) in [
            ("2026-11-24T14:59:00Z", true),
            ("2026-11-24T15:00:00Z", false),
            ("2026-11-25T03:59:00Z", false),
            ("2026-11-25T04:00:00Z", true),
        ] {
            assert_eq!(is_quiet(&denver, at(utc)), quiet, "{utc}");
        }
    }

    #[test]
    fn spans_round_trip_and_invalid_ones_are_refused() {
        for good in ["09:00-17:00", "00:00-24:00", "22:00-06:00", "22:00-00:00"] {
            assert_eq!(Span::try_from(good.to_owned()).map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "9-17", "24:00-06:00", "09:00-09:00", "09:00-24:01", "09:60-10:00", "+9:00-10:00"] {
            assert!(Span::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
