//! Business hours of a number: several spans a day, written `"09:00-12:00"`.

use std::collections::BTreeMap;

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
