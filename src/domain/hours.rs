//! Business hours: spans per weekday, written as `"09:00-12:00"`, and the quiet hours.

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
    pub(super) from: u16,
    pub(super) to: u16,
}

/// The open spans of each weekday. A missing day is closed.
pub type Hours = BTreeMap<Weekday, Vec<Span>>;

pub(super) const MINUTES_PER_DAY: u16 = 24 * 60;

/// The most spans of one day.
pub const MAX_SPANS: usize = 10;
impl Weekday {
    pub(super) fn before(self) -> Self {
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
    /// Parses a span from the local times at which it begins and ends.
    ///
    /// # Errors
    /// A sentence for the user who entered the times.
    pub fn between(opens: &str, closes: &str) -> Result<Self, String> {
        let wrong = || r#"invalid hours; write them as "09:00" and "17:00""#.to_owned();
        Self::of_minutes(minute(opens).ok_or_else(wrong)?, minute(closes).ok_or_else(wrong)?)
    }

    /// The local times at which the span begins and ends, such as `09:00` and `24:00`.
    pub fn times(self) -> (String, String) {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        (clock(self.from), clock(self.to))
    }

    fn of_minutes(from: u16, to: u16) -> Result<Self, String> {
        if from == to {
            return Err(r#"a span of hours cannot be empty; a whole day is "00:00-24:00""#.to_owned());
        }
        if from == MINUTES_PER_DAY {
            return Err("a span of hours must begin before 24:00".to_owned());
        }
        Ok(Self { from, to })
    }

    pub(super) fn spans_midnight(self) -> bool {
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

/// The local date, weekday and minute of the day in a time zone.
pub(super) fn local_time(zone: &TimeZone, now: DateTime<Utc>) -> (Option<NaiveDate>, Weekday, u16) {
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
        Self::of_minutes(minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        let (opens, closes) = span.times();
        format!("{opens}-{closes}")
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
