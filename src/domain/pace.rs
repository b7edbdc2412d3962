//! The rate limit of a sending number: an average rate, and a burst after a pause.
//!
//! It uses the generic cell rate algorithm (ITU-T I.371). The whole state of a number is one timestamp, up to which the
//! number has used its rate, so a transaction can store it.

use chrono::{DateTime, TimeDelta, Utc};

/// The rate limit of a number, in segments, because carriers count segments and not texts. Source: Twilio,
/// "Understanding Twilio rate limits and message queues".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The average rate, in segments per second.
    pub per_second: i32,
    /// The most segments that may be sent at once after a pause.
    pub burst: i32,
}

/// The area codes of toll-free numbers in the United States, Canada and the Caribbean.
/// Source: North American Numbering Plan Administrator, "Toll-free".
const TOLL_FREE: [&str; 7] = ["800", "833", "844", "855", "866", "877", "888"];

impl Pace {
    /// Twilio's default rate for a number of this kind: a toll-free number sends 3 segments a
    /// second, a short code 100, any other number 1.
    pub fn of_number(number: &str) -> Self {
        let is_toll_free = |digits: &str| TOLL_FREE.iter().any(|code| digits.starts_with(code));
        match number.strip_prefix('+') {
            None => Self { per_second: 100, burst: 100 },
            Some(digits) if digits.strip_prefix('1').is_some_and(is_toll_free) => Self { per_second: 3, burst: 5 },
            Some(_) => Self { per_second: 1, burst: 5 },
        }
    }

    fn interval(self) -> TimeDelta {
        TimeDelta::microseconds(1_000_000 / i64::from(self.per_second.max(1)))
    }

    /// The earliest time at which the next text may be sent.
    pub fn free_at(self, spent_until: DateTime<Utc>) -> DateTime<Utc> {
        spent_until - self.interval() * (self.burst.max(1) - 1)
    }

    /// The new `spent_until` after a text of `segments` segments is sent at `now`. A text never waits for its own
    /// segments; the texts after it do.
    pub fn spend(self, spent_until: DateTime<Utc>, now: DateTime<Utc>, segments: i32) -> DateTime<Utc> {
        spent_until.max(now) + self.interval() * segments.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap_or_default()
    }

    #[test]
    fn a_burst_then_one_a_second() {
        let pace = Pace { per_second: 1, burst: 5 };
        let mut spent = at(-60_000);
        let mut left = Vec::new();
        for millis in (0..8_000).step_by(250) {
            while pace.free_at(spent) <= at(millis) {
                spent = pace.spend(spent, at(millis), 1);
                left.push(millis);
            }
        }
        assert_eq!(left, [0, 0, 0, 0, 0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]);
    }

    #[test]
    fn a_rate_of_zero_is_treated_as_one() {
        let pace = Pace { per_second: 0, burst: 0 };
        assert_eq!(pace.free_at(pace.spend(at(0), at(0), 0)), at(1_000));
    }

    #[test]
    fn a_long_text_uses_the_rate_of_all_its_segments() {
        let pace = Pace { per_second: 2, burst: 4 };
        let spent = pace.spend(at(-60_000), at(0), 10);
        assert_eq!(spent, at(5_000));
        // The burst is four segments, so the next text is sent when all but three of the ten have been paid for.
        assert_eq!(pace.free_at(spent), at(3_500));
    }

    #[test]
    fn each_kind_of_number_has_its_default_rate() {
        for (number, per_second) in [
            ("+13035550100", 1),
            ("+18005550100", 3),
            ("+18335550100", 3),
            ("+18885550100", 3),
            ("+18225550100", 1),
            ("+448005550100", 1),
            ("+4930123456", 1),
            ("88222", 100),
        ] {
            let pace = Pace::of_number(number);
            assert_eq!(pace.per_second, per_second, "{number}");
            assert!(pace.burst >= per_second, "{number}");
        }
    }
}
