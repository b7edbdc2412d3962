//! Business hours of a number: several spans a day, written `"09:00-12:00"`, and days on which it is closed.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A day of the week, as the directory file writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "a weekday is a weekday")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Open from one minute of the day up to another; 24:00 is 1440.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    from: u16,
    to: u16,
}

/// The open spans of each day. A day that is missing is closed; no days at all is always closed.
pub type Hours = BTreeMap<Weekday, Vec<Span>>;

/// The most spans that a day has.
pub const MAX_SPANS: usize = 10;
/// The most days on which a number is closed.
pub const MAX_HOLIDAYS: usize = 200;

/// Whether a number is open. `None` for its hours is always; a span is by the clock on the wall, so that
/// "09:00-17:00" begins at nine on the day on which the clocks change, too.
pub fn is_open(hours: Option<&Hours>, holidays: &[NaiveDate], zone: &TimeZone, now: DateTime<Utc>) -> bool {
    let (date, weekday, minute) = on_the_wall(zone, now);
    if date.is_some_and(|date| holidays.contains(&date)) {
        return false;
    }
    let Some(hours) = hours else { return true };
    let spans = hours.get(&weekday).map_or(&[][..], Vec::as_slice);
    spans.iter().any(|span| (span.from..span.to).contains(&minute))
}

/// From when to when nobody is texted without having written first, by the clock on the wall.
const QUIET: (u16, u16) = (21 * 60, 8 * 60);

/// Whether an automatic text would wake somebody.
pub fn is_quiet(zone: &TimeZone, now: DateTime<Utc>) -> bool {
    let (.., minute) = on_the_wall(zone, now);
    minute >= QUIET.0 || minute < QUIET.1
}

fn on_the_wall(zone: &TimeZone, now: DateTime<Utc>) -> (Option<NaiveDate>, Weekday, u16) {
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
        let wrong = || r#"hours are written "09:00-17:00""#.to_owned();
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let span = Self { from: minute(from).ok_or_else(wrong)?, to: minute(to).ok_or_else(wrong)? };
        if span.from < span.to { Ok(span) } else { Err("a span of hours ends after it begins".to_owned()) }
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
    // Digits alone: a number's parser would take a sign.
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let two_digits = |part: &str| digits(part).then(|| part.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= 24 * 60).then_some(total)
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
    fn open_is_by_the_clock_on_the_wall() {
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
        // It is still the 22nd in Denver.
        assert!(is_open(None, &holiday, &denver, at("2026-11-23T06:59:00Z")));
        assert!(is_open(None, &[], &denver, at("2026-11-23T03:00:00Z")));
        assert!(!is_open(Some(&Hours::new()), &[], &denver, at("2026-11-23T16:00:00Z")));
    }

    #[test]
    fn days_on_which_the_clocks_change() {
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
            // 2026-11-01 in Denver: 02:00 MDT is 01:00 MST, so 01:30 comes twice.
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
    fn quiet_is_from_nine_in_the_evening_to_eight() {
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
    fn spans_read_back_as_written_and_nonsense_is_refused() {
        for good in ["09:00-17:00", "00:00-24:00"] {
            assert_eq!(Span::try_from(good.to_owned()).map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "9-17", "17:00-09:00", "09:00-09:00", "09:00-24:01", "09:60-10:00", "+9:00-10:00"] {
            assert!(Span::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
