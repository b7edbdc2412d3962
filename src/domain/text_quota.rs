//! How many texts users and agencies may send in 24 hours.

use chrono::{DateTime, TimeDelta, Utc};

/// The length of a period. It begins with the first text after the last one is over.
pub const PERIOD: TimeDelta = TimeDelta::hours(24);

/// The most texts in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    /// Of one user.
    pub per_user: i32,
    /// Of all users of an agency.
    pub per_agency: i32,
}

/// What has been sent in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// How many texts it has.
    pub texts: i32,
}

impl Period {
    /// The period after one more text.
    ///
    /// # Errors
    /// How long to wait, if the limit is reached.
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
    fn texts_are_counted_for_a_day() {
        let at = |hours| DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default() + TimeDelta::hours(hours);
        let first = Period::with_one_more(None, 2, at(0));
        assert_eq!(first, Ok(Period { began_at: at(0), texts: 1 }));
        let second = Period::with_one_more(first.ok(), 2, at(5));
        assert_eq!(second, Ok(Period { began_at: at(0), texts: 2 }));
        assert_eq!(Period::with_one_more(second.ok(), 2, at(20)), Err(TimeDelta::hours(4)));
        assert_eq!(Period::with_one_more(second.ok(), 2, at(24)), Ok(Period { began_at: at(24), texts: 1 }));
    }
}
