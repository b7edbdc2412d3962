//! The age at which stored data is deleted, and the resources at the carrier that are deleted with it.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::sid::is_sid;

/// The age in days at which events are deleted from the log, unless the agency sets another one.
pub const DEFAULT_EVENTS_DAYS: i32 = 30;
/// The age in days at which notifications that were read are deleted, in every agency.
pub const READ_NOTIFICATIONS_DAYS: i32 = 90;
/// The age in days at which settled quarantined texts are deleted that are shown to no agency.
pub const UNASSIGNED_QUARANTINE_DAYS: i32 = 365;

/// The ages in days that an agency may set for messages. An idempotency key is valid for 7 days: if its message were
/// deleted earlier, a repeated request would send the text again.
pub const MESSAGES_DAYS: RangeInclusive<i32> = 7..=36_500;
/// The ages in days that an agency may set for the files of messages and for recordings.
pub const FILES_DAYS: RangeInclusive<i32> = 1..=36_500;
/// The ages in days that an agency may set for events.
pub const EVENTS_DAYS: RangeInclusive<i32> = 1..=3_650;

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Days(i32),
    Forever,
}

/// The text is not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a period; write a whole number of days such as 365d, or forever")]
pub struct InvalidPeriod;

impl Period {
    /// Parses `365d` or `forever`.
    ///
    /// # Errors
    /// If it is neither, or more days than fit into 32 bits.
    pub fn parse(text: &str) -> Result<Self, InvalidPeriod> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let days = text.strip_suffix('d').filter(|days| days.bytes().all(|b| b.is_ascii_digit()));
        days.and_then(|days| days.parse().ok()).map(Self::Days).ok_or(InvalidPeriod)
    }

    /// The days; `None` if it never ends.
    pub fn days(self) -> Option<i32> {
        match self {
            Self::Days(days) => Some(days),
            Self::Forever => None,
        }
    }
}

/// Data that was created before this time is older than so many days.
pub fn cutoff(now: DateTime<Utc>, days: i32) -> DateTime<Utc> {
    now.checked_sub_signed(TimeDelta::days(days.into())).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// The lowest version 7 UUID of this time: the ids of all older rows sort before it.
pub fn first_id_at(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

/// The path of a message at the carrier, below the account; `None` if it has none.
pub fn message_path(sid: Option<&str>) -> Option<String> {
    sid.filter(|sid| is_sid(sid)).map(|sid| format!("/Messages/{sid}.json"))
}

/// The path of a file of a message at the carrier; `None` if the file is not one of the carrier's.
pub fn media_path(message_sid: Option<&str>, source_url: &str) -> Option<String> {
    let (_, last) = source_url.rsplit_once('/')?;
    let sid = last.split(['?', '.']).next().filter(|sid| is_sid(sid))?;
    message_sid.filter(|sid| is_sid(sid)).map(|message| format!("/Messages/{message}/Media/{sid}.json"))
}

/// The path of a call, or of the leg of one, at the carrier.
pub fn call_path(sid: Option<&str>) -> Option<String> {
    sid.filter(|sid| is_sid(sid)).map(|sid| format!("/Calls/{sid}.json"))
}

/// The path of a recording at the carrier.
pub fn recording_path(sid: &str) -> Option<String> {
    is_sid(sid).then(|| format!("/Recordings/{sid}.json"))
}

/// The sizes of a batch of deletions, in rows.
pub const BATCH_SIZES: RangeInclusive<u64> = 25..=500;
/// A batch that takes longer than this is followed by a smaller one, because webhooks wait for it.
const LONG_BATCH: Duration = Duration::from_millis(6);
/// A batch that takes less than this is followed by a larger one.
const SHORT_BATCH: Duration = Duration::from_millis(3);

/// The size of the next batch, after one of this size that took so long.
pub fn next_batch_size(size: u64, took: Duration) -> u64 {
    let next = match took {
        _ if took > LONG_BATCH => size / 2,
        _ if took < SHORT_BATCH => size + size / 2,
        _ => size,
    };
    next.clamp(*BATCH_SIZES.start(), *BATCH_SIZES.end())
}

/// The delays after failed attempts to delete something at the carrier, in seconds. The last one repeats.
const CARRIER_DELAYS: [i64; 6] = [60, 300, 1_800, 7_200, 21_600, 86_400];

/// The delay before the next attempt, after this many failed ones.
pub fn carrier_retry_delay(attempts: i32) -> TimeDelta {
    let at = usize::try_from(attempts).unwrap_or(0).min(CARRIER_DELAYS.len() - 1);
    TimeDelta::seconds(CARRIER_DELAYS.get(at).copied().unwrap_or(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_whole_number_of_days_or_forever() {
        for (text, expected) in [
            ("1d", Ok(Period::Days(1))),
            ("2555d", Ok(Period::Days(2_555))),
            ("0d", Ok(Period::Days(0))),
            ("forever", Ok(Period::Forever)),
            ("", Err(InvalidPeriod)),
            ("d", Err(InvalidPeriod)),
            ("30", Err(InvalidPeriod)),
            ("-1d", Err(InvalidPeriod)),
            ("+1d", Err(InvalidPeriod)),
            ("1.5d", Err(InvalidPeriod)),
            ("1 d", Err(InvalidPeriod)),
            ("12h", Err(InvalidPeriod)),
            ("99999999999d", Err(InvalidPeriod)),
            ("Forever", Err(InvalidPeriod)),
        ] {
            assert_eq!(Period::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_ids_of_older_rows_sort_before_the_first_id_of_a_time() {
        let at = DateTime::from_timestamp_millis(1_795_446_000_123).unwrap();
        let id = |millis: u128| Uuid::from_u128((millis << 80) | (7 << 76) | (0b10 << 62) | 5);
        assert!(id(1_795_446_000_122) < first_id_at(at));
        assert!(id(1_795_446_000_123) > first_id_at(at));
        assert_eq!(first_id_at(DateTime::<Utc>::MIN_UTC), Uuid::nil());
        assert_eq!(cutoff(at, 30), at - TimeDelta::days(30));
        assert_eq!(cutoff(at, i32::MAX), DateTime::<Utc>::MIN_UTC);
    }

    #[test]
    fn paths_are_built_from_sids_only() {
        assert_eq!(message_path(Some("SM1")).as_deref(), Some("/Messages/SM1.json"));
        assert_eq!(call_path(Some("CA1")).as_deref(), Some("/Calls/CA1.json"));
        assert_eq!(recording_path("RE1").as_deref(), Some("/Recordings/RE1.json"));
        for wrong in [None, Some(""), Some("SM1/../x"), Some("SM1?x=1")] {
            assert_eq!(
                (message_path(wrong), call_path(wrong), recording_path(wrong.unwrap_or(""))),
                (None, None, None)
            );
        }
        let url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1";
        for url in [url, &format!("{url}.json"), &format!("{url}?x=1")] {
            assert_eq!(media_path(Some("MM1"), url).as_deref(), Some("/Messages/MM1/Media/ME1.json"), "{url}");
        }
        for url in ["", "https://example.org/", "ME1"] {
            assert_eq!(media_path(Some("MM1"), url), None, "{url}");
        }
        assert_eq!(media_path(None, url), None);
    }

    #[test]
    fn a_batch_adapts_to_the_time_that_the_last_one_took() {
        let millis = Duration::from_millis;
        for (size, took, expected) in [
            (100, millis(1), 150),
            (100, millis(4), 100),
            (100, millis(7), 50),
            (25, millis(900), 25),
            (500, Duration::ZERO, 500),
            (400, Duration::ZERO, 500),
        ] {
            assert_eq!(next_batch_size(size, took), expected, "{size} rows in {took:?}");
        }
    }

    #[test]
    fn attempts_at_the_carrier_end_in_one_a_day() {
        assert_eq!(carrier_retry_delay(0), TimeDelta::minutes(1));
        assert_eq!(carrier_retry_delay(5), TimeDelta::days(1));
        assert_eq!(carrier_retry_delay(i32::MAX), TimeDelta::days(1));
        assert_eq!(carrier_retry_delay(-1), TimeDelta::minutes(1));
    }
}
