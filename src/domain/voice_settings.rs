//! Limits of a number's voice settings. The API and the directory file share them.

use super::hours::{Hours, MAX_SPANS};
use super::schedule::{Holiday, MAX_HOLIDAYS};

/// The ring time of a phone, in seconds.
pub const RING_SECONDS: std::ops::RangeInclusive<i32> = 10..=60;
/// The longest greeting, in characters.
pub const MAX_GREETING_CHARS: usize = 1_000;
/// The longest missed-call text, in characters.
pub const MAX_TEXT_CHARS: usize = 320;

/// The longest name of a holiday, in characters.
pub const MAX_HOLIDAY_NAME_CHARS: usize = 100;

/// A voice setting that is outside its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    #[error("the ring time must be 10 to 60 seconds")]
    RingSeconds,
    #[error("a greeting must have 1 to 1000 characters")]
    Greeting,
    /// The missed-call text.
    #[error("the text must have 1 to 320 characters")]
    Text,
    #[error("a day can have at most 10 spans of hours")]
    Hours,
    #[error("a number can have at most 200 holidays, and no date twice")]
    Holidays,
    #[error("the name of a holiday must have 1 to 100 characters")]
    HolidayName,
    #[error("a country must be a two-letter ISO 3166 code in capitals, for example US")]
    Country,
}

pub fn check_ring_seconds(seconds: i32) -> Result<(), InvalidSetting> {
    RING_SECONDS.contains(&seconds).then_some(()).ok_or(InvalidSetting::RingSeconds)
}

pub fn check_greeting(text: &str) -> Result<(), InvalidSetting> {
    is_text(text, MAX_GREETING_CHARS).then_some(()).ok_or(InvalidSetting::Greeting)
}

/// Checks the missed-call text.
pub fn check_text(text: &str) -> Result<(), InvalidSetting> {
    is_text(text, MAX_TEXT_CHARS).then_some(()).ok_or(InvalidSetting::Text)
}

fn is_text(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.contains('\0')
}

pub fn check_hours(hours: &Hours) -> Result<(), InvalidSetting> {
    hours.values().all(|spans| spans.len() <= MAX_SPANS).then_some(()).ok_or(InvalidSetting::Hours)
}

pub fn check_holidays(days: &[Holiday]) -> Result<(), InvalidSetting> {
    let once: std::collections::BTreeSet<_> = days.iter().map(|day| day.date).collect();
    if once.len() != days.len() || days.len() > MAX_HOLIDAYS {
        return Err(InvalidSetting::Holidays);
    }
    let named = |day: &Holiday| day.name.as_deref().is_none_or(|name| is_text(name, MAX_HOLIDAY_NAME_CHARS));
    days.iter().all(named).then_some(()).ok_or(InvalidSetting::HolidayName)
}

/// Checks the form of an ISO 3166 alpha-2 country code.
pub fn check_country(country: &str) -> Result<(), InvalidSetting> {
    let is_name = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    is_name.then_some(()).ok_or(InvalidSetting::Country)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_against_their_limits() {
        for (seconds, right) in [(9, false), (10, true), (60, true), (61, false)] {
            assert_eq!(check_ring_seconds(seconds).is_ok(), right, "{seconds}");
        }
        assert_eq!(check_greeting(&"é".repeat(1_000)), Ok(()));
        for wrong in ["", "  ", "a\0b", &"a".repeat(1_001)] {
            assert_eq!(check_greeting(wrong), Err(InvalidSetting::Greeting));
        }
        assert_eq!(check_text(&"a".repeat(321)), Err(InvalidSetting::Text));
        let day = |name: &str| Holiday {
            date: chrono::NaiveDate::from_ymd_opt(2026, 12, 25).unwrap(),
            name: Some(name.to_owned()),
        };
        assert_eq!(check_holidays(&[day("Christmas")]), Ok(()));
        assert_eq!(check_holidays(&[day("Christmas"), day("again")]), Err(InvalidSetting::Holidays));
        assert_eq!(check_holidays(&[day("")]), Err(InvalidSetting::HolidayName));
        assert_eq!(check_country("US"), Ok(()));
        assert_eq!(check_country("usa"), Err(InvalidSetting::Country));
    }
}
