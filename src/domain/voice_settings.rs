//! What can be set of how a number takes calls, and what may be set: the same for the API and the directory file.

use chrono::NaiveDate;

use super::hours::{Hours, MAX_HOLIDAYS, MAX_SPANS};

/// How long phones may ring, in seconds.
pub const RING_SECONDS: std::ops::RangeInclusive<i32> = 10..=60;
/// The longest greeting, in characters.
pub const MAX_GREETING_CHARS: usize = 1_000;
/// The longest text to a caller whom nobody answered, in characters.
pub const MAX_TEXT_CHARS: usize = 320;

/// What is wrong with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// How long phones ring.
    #[error("phones ring for 10 to 60 seconds")]
    RingSeconds,
    /// A greeting.
    #[error("a greeting has 1 to 1000 characters")]
    Greeting,
    /// The text to a caller whom nobody answered.
    #[error("a text has 1 to 320 characters")]
    Text,
    /// Its hours.
    #[error("a day has 10 spans of hours at most")]
    Hours,
    /// Its holidays.
    #[error("a number has 200 holidays at most, each once")]
    Holidays,
    /// A country.
    #[error("a country is written with two letters, US")]
    Country,
}

/// Checks how long phones ring.
///
/// # Errors
/// When it is too short or too long.
pub fn check_ring_seconds(seconds: i32) -> Result<(), InvalidSetting> {
    RING_SECONDS.contains(&seconds).then_some(()).ok_or(InvalidSetting::RingSeconds)
}

/// Checks what is to be spoken.
///
/// # Errors
/// When it is nothing, or too long.
pub fn check_greeting(text: &str) -> Result<(), InvalidSetting> {
    is_text(text, MAX_GREETING_CHARS).then_some(()).ok_or(InvalidSetting::Greeting)
}

/// Checks what is to be texted to a caller whom nobody answered.
///
/// # Errors
/// When it is nothing, or too long.
pub fn check_text(text: &str) -> Result<(), InvalidSetting> {
    is_text(text, MAX_TEXT_CHARS).then_some(()).ok_or(InvalidSetting::Text)
}

fn is_text(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.contains('\0')
}

/// Checks hours.
///
/// # Errors
/// When a day has too many spans.
pub fn check_hours(hours: &Hours) -> Result<(), InvalidSetting> {
    hours.values().all(|spans| spans.len() <= MAX_SPANS).then_some(()).ok_or(InvalidSetting::Hours)
}

/// Checks holidays.
///
/// # Errors
/// When there are too many, or one twice.
pub fn check_holidays(days: &[NaiveDate]) -> Result<(), InvalidSetting> {
    let once: std::collections::BTreeSet<_> = days.iter().collect();
    (once.len() == days.len() && days.len() <= MAX_HOLIDAYS).then_some(()).ok_or(InvalidSetting::Holidays)
}

/// Checks the name of a country, as ISO 3166 writes it in two letters.
///
/// # Errors
/// When it is none.
pub fn check_country(country: &str) -> Result<(), InvalidSetting> {
    let is_name = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    is_name.then_some(()).ok_or(InvalidSetting::Country)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_set() {
        for (seconds, right) in [(9, false), (10, true), (60, true), (61, false)] {
            assert_eq!(check_ring_seconds(seconds).is_ok(), right, "{seconds}");
        }
        assert_eq!(check_greeting(&"é".repeat(1_000)), Ok(()));
        for wrong in ["", "  ", "a\0b", &"a".repeat(1_001)] {
            assert_eq!(check_greeting(wrong), Err(InvalidSetting::Greeting));
        }
        assert_eq!(check_text(&"a".repeat(321)), Err(InvalidSetting::Text));
        let day = NaiveDate::from_ymd_opt(2026, 12, 25).unwrap();
        assert_eq!(check_holidays(&[day]), Ok(()));
        assert_eq!(check_holidays(&[day, day]), Err(InvalidSetting::Holidays));
        assert_eq!(check_country("US"), Ok(()));
        assert_eq!(check_country("usa"), Err(InvalidSetting::Country));
    }
}
