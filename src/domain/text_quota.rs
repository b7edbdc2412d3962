//! The quota of texts that users and agencies may send in 24 hours.

use chrono::{DateTime, TimeDelta, Utc};

/// The length of a quota period. A period begins with the first text after the previous one has ended.
pub const PERIOD: TimeDelta = TimeDelta::hours(24);

/// The most texts per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    pub per_user: i32,
    /// The limit of all users of an agency together.
    pub per_agency: i32,
}

/// The texts sent in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub began_at: DateTime<Utc>,
    pub texts: i32,
}

impl Period {
    /// The period after one more text. If the limit is reached, the error is the time until the period ends.
    pub fn with_one_more(current: Option<Self>, limit: i32, now: DateTime<Utc>) -> Result<Self, TimeDelta> {
        match current.filter(|period| now - period.began_at < PERIOD) {
            None => Ok(Self { began_at: now, texts: 1 }),
            Some(period) if period.texts < limit => Ok(Self { texts: period.texts + 1, ..period }),
            Some(period) => Err(period.began_at + PERIOD - now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_for_24_hours() {
        let at = |hours| DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default() + TimeDelta::hours(hours);
        let first = Period::with_one_more(None, 2, at(0));
        assert_eq!(first, Ok(Period { began_at: at(0), texts: 1 }));
        let second = Period::with_one_more(first.ok(), 2, at(5));
        assert_eq!(second, Ok(Period { began_at: at(0), texts: 2 }));
        assert_eq!(Period::with_one_more(second.ok(), 2, at(20)), Err(TimeDelta::hours(4)));
        assert_eq!(Period::with_one_more(second.ok(), 2, at(24)), Ok(Period { began_at: at(24), texts: 1 }));
    }
}
