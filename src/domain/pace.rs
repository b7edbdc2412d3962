//! The pace at which a number sends: an average, and a burst after a silence.
//!
//! The generic cell rate algorithm (ITU-T I.371): one moment per number says how far ahead of now it
//! has spent its pace. So the whole state is a timestamp that a transaction can keep.

use chrono::{DateTime, TimeDelta, Utc};

/// How fast a number may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Texts a second, on the average.
    pub per_second: i32,
    /// Texts at once, after a silence.
    pub burst: i32,
}

impl Pace {
    fn interval(self) -> TimeDelta {
        TimeDelta::microseconds(1_000_000 / i64::from(self.per_second.max(1)))
    }

    /// When the next text may leave.
    pub fn free_at(self, spent_until: DateTime<Utc>) -> DateTime<Utc> {
        spent_until - self.interval() * (self.burst.max(1) - 1)
    }

    /// How far the pace is spent once a text leaves now.
    pub fn spend(self, spent_until: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        spent_until.max(now) + self.interval()
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
                spent = pace.spend(spent, at(millis));
                left.push(millis);
            }
        }
        assert_eq!(left, [0, 0, 0, 0, 0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]);
    }

    #[test]
    fn no_pace_divides_by_nothing() {
        let pace = Pace { per_second: 0, burst: 0 };
        assert_eq!(pace.free_at(pace.spend(at(0), at(0))), at(1_000));
    }
}
