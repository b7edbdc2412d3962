//! The pace at which a number sends: an average, and a burst after a silence.
//!
//! The generic cell rate algorithm (ITU-T I.371): one moment per number says how far ahead of now it
//! has spent its pace. So the whole state is a timestamp that a transaction can keep.

use chrono::{DateTime, TimeDelta, Utc};

/// How fast a number may send, in segments: carriers count those, and not texts. Source: Twilio, "Understanding Twilio
/// rate limits and message queues".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Segments a second, on the average.
    pub per_second: i32,
    /// Segments at once, after a silence.
    pub burst: i32,
}

/// The area codes of toll-free numbers in the United States, Canada and the Caribbean.
/// Source: North American Numbering Plan Administrator, "Toll-free".
const TOLL_FREE: [&str; 7] = ["800", "833", "844", "855", "866", "877", "888"];

impl Pace {
    /// The rate that Twilio gives a number of this kind unless it was raised: a toll-free number sends 3 segments a
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

    /// When the next text may leave.
    pub fn free_at(self, spent_until: DateTime<Utc>) -> DateTime<Utc> {
        spent_until - self.interval() * (self.burst.max(1) - 1)
    }

    /// How far the pace is spent once a text of so many segments leaves now. It need not wait for all of them: the
    /// texts after it do.
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
    fn no_pace_divides_by_nothing() {
        let pace = Pace { per_second: 0, burst: 0 };
        assert_eq!(pace.free_at(pace.spend(at(0), at(0), 0)), at(1_000));
    }

    #[test]
    fn a_long_text_spends_each_of_its_segments() {
        let pace = Pace { per_second: 2, burst: 4 };
        let spent = pace.spend(at(-60_000), at(0), 10);
        assert_eq!(spent, at(5_000));
        // Four may be ahead, so the next leaves when all but three of the ten are paid for.
        assert_eq!(pace.free_at(spent), at(3_500));
    }

    #[test]
    fn each_kind_of_number_has_its_own_rate() {
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
