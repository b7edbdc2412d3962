//! The delivery status of a text: merges the carrier's reports, which arrive in any order, and schedules retries.

use std::time::Duration;

use super::delivery_error::{BLOCKED, is_decision};
use super::{AccountTrouble, MessageStatus};

/// A reported delivery status and its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub status: MessageStatus,
    /// The carrier's error code, or one of Partyline's (`domain::delivery_error`).
    pub error_code: Option<String>,
}

impl Report {
    pub fn of(status: MessageStatus) -> Self {
        Self { status, error_code: None }
    }

    pub fn failed(status: MessageStatus, error_code: impl Into<String>) -> Self {
        Self { status, error_code: Some(error_code.into()) }
    }

    /// Parses Twilio's status; `None` if it is not a status of an outbound text.
    /// Source: Twilio, "Messages resource: message status values".
    pub fn from_twilio(status: &str, error_code: Option<&str>) -> Option<Self> {
        let status = match status {
            // All of these mean that the carrier has accepted the text.
            "accepted" | "scheduled" | "queued" | "sending" | "sent" => MessageStatus::Sent,
            "delivered" | "read" => MessageStatus::Delivered,
            "undelivered" => MessageStatus::Undelivered,
            "failed" | "canceled" => MessageStatus::Failed,
            _ => return None,
        };
        let error_code = error_code.filter(|code| is_error_code(code) && *code != "0").map(str::to_owned);
        Some(Self { status, error_code })
    }

    /// Merges two reports: the higher status wins together with its error, regardless of the order of the reports.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        // Of two errors with the same precedence, the greater code wins, so that the result does not depend on the
        // order.
        let key = |report: &Self| (rank(report.status), precedence(report), report.error_code.clone());
        if key(&other) > key(&self) { other } else { self }
    }
}

/// Precedence among errors with the same status: decisions of users, Partyline's other codes, and the carrier's codes,
/// of which the block comes first because it affects later texts.
fn precedence(report: &Report) -> u8 {
    match report.error_code.as_deref() {
        None => 0,
        Some(code) if is_decision(code) => 4,
        Some(BLOCKED) => 2,
        Some(code) if code.bytes().all(|b| b.is_ascii_digit()) => 1,
        Some(_) => 3,
    }
}

/// The longest error code that is stored, in bytes.
const MAX_CODE_BYTES: usize = 16;

fn is_error_code(code: &str) -> bool {
    (1..=MAX_CODE_BYTES).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The rank of a status. When reports are merged, the status with the higher rank wins.
pub fn rank(status: MessageStatus) -> u8 {
    match status {
        MessageStatus::Received => 0,
        MessageStatus::Queued => 1,
        MessageStatus::Sending => 2,
        MessageStatus::Unknown => 3,
        MessageStatus::Sent => 4,
        MessageStatus::Undelivered => 5,
        MessageStatus::Failed => 6,
        MessageStatus::Delivered => 7,
    }
}

/// Whether the status means that the text did not reach the phone.
pub fn is_failure(status: MessageStatus) -> bool {
    matches!(status, MessageStatus::Undelivered | MessageStatus::Failed)
}

/// The outcome of an attempt to send a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The carrier has accepted the text.
    Accepted {
        /// Twilio's MessageSid.
        sid: String,
    },
    /// The carrier has permanently refused the text.
    Rejected { error_code: String },
    /// The carrier does not have the text and may accept it later: the request was not sent, or the carrier asked to
    /// wait.
    NotNow {
        /// The delay that the carrier asked for.
        retry_after: Option<Duration>,
    },
    /// Twilio refused the text because of a problem with the account. The text waits until the problem is fixed.
    Withheld { trouble: AccountTrouble },
    /// The carrier may have accepted the text, so it must never be sent again automatically.
    InDoubt,
}

/// The longest delay between two attempts, unless the carrier asks for more.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5 * 60);
/// The longest delay that a carrier can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The shortest delay while Twilio does not serve the account, which somebody has to fix first.
pub const ACCOUNT_RETRY_DELAY: Duration = Duration::from_secs(30);

/// The delay after `attempts` failed attempts: exponential backoff, reduced by up to half by `jitter` (0 to 255), and
/// at least the delay that the carrier asked for.
pub fn retry_delay(attempts: u32, jitter: u8, asked: Option<Duration>) -> Duration {
    let doubled = Duration::from_secs(1 << attempts.saturating_sub(1).min(16)).min(MAX_RETRY_DELAY);
    let jittered = doubled - doubled / 2 * u32::from(jitter) / 255;
    jittered.max(asked.unwrap_or_default().min(MAX_RETRY_AFTER))
}

/// The delay before the carrier is asked again for a text in doubt, after `lookups` lookups.
pub fn lookup_delay(lookups: u32) -> Duration {
    Duration::from_secs(1 << lookups.min(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWILIO: [(&str, Option<&str>); 9] = [
        ("accepted", None),
        ("queued", None),
        ("sending", None),
        ("sent", None),
        ("undelivered", Some("30003")),
        ("undelivered", Some("30005")),
        ("failed", Some("30008")),
        ("failed", None),
        ("delivered", None),
    ];

    /// Calls `seen` with every permutation.
    fn permutations<T: Clone>(rest: &[T], chosen: &mut Vec<T>, seen: &mut impl FnMut(&[T])) {
        if rest.is_empty() {
            return seen(chosen);
        }
        for at in 0..rest.len() {
            let mut left = rest.to_vec();
            chosen.push(left.remove(at));
            permutations(&left, chosen, seen);
            chosen.pop();
        }
    }

    fn merged(reports: &[Report]) -> Report {
        let queued = Report::of(MessageStatus::Queued);
        reports.iter().cloned().fold(queued, Report::join)
    }

    #[test]
    fn reports_merge_to_the_same_result_in_any_order() {
        let all: Vec<Report> = TWILIO.iter().filter_map(|(status, code)| Report::from_twilio(status, *code)).collect();
        assert_eq!(all.len(), TWILIO.len());
        // Every selection of up to four reports, with one of them repeated, in every order.
        for mask in 0_u32..1 << all.len() {
            if mask.count_ones() > 4 {
                continue;
            }
            let mut some: Vec<Report> = all
                .iter()
                .enumerate()
                .filter(|(at, _)| mask & (1 << at) != 0)
                .map(|(_, report)| report.clone())
                .collect();
            some.extend(some.first().cloned());
            let expected = merged(&some);
            permutations(&some, &mut Vec::new(), &mut |order| assert_eq!(merged(order), expected, "{order:?}"));
        }
    }

    #[test]
    fn the_error_is_that_of_the_winning_status() {
        let undelivered = Report::failed(MessageStatus::Undelivered, "30003");
        let delivered = Report::of(MessageStatus::Delivered);
        assert_eq!(undelivered.clone().join(delivered.clone()), delivered);
        assert_eq!(delivered.clone().join(undelivered.clone()), delivered);
        assert_eq!(Report::of(MessageStatus::Unknown).join(undelivered.clone()), undelivered);
    }

    #[test]
    fn among_errors_of_one_status_partylines_codes_win_and_then_the_block() {
        let failed = |code: &str| Report::failed(MessageStatus::Failed, code);
        let ascending =
            [Report::of(MessageStatus::Failed), failed("10000"), failed("30008"), failed(BLOCKED), failed("RESENT")];
        for (at, lower) in ascending.iter().enumerate() {
            for higher in &ascending[at..] {
                assert_eq!(lower.clone().join(higher.clone()), *higher);
                assert_eq!(higher.clone().join(lower.clone()), *higher);
            }
        }
    }

    #[test]
    fn unknown_statuses_and_invalid_error_codes_are_ignored() {
        for status in ["", "received", "receiving", "DELIVERED", "partially_delivered"] {
            assert_eq!(Report::from_twilio(status, None), None, "{status}");
        }
        let odd = Report::from_twilio("failed", Some("not a code, but a body")).unwrap();
        assert_eq!(odd.error_code, None);
    }

    #[test]
    fn retry_delays_grow_and_are_bounded() {
        let seconds = |attempts, jitter, asked: Option<u64>| {
            retry_delay(attempts, jitter, asked.map(Duration::from_secs)).as_secs_f64()
        };
        assert_eq!([1, 2, 3, 4].map(|n| seconds(n, 0, None)), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!([9, 20, u32::MAX].map(|n| seconds(n, 0, None)), [256.0, 300.0, 300.0]);
        assert_eq!(seconds(3, 255, None), 2.0);
        assert_eq!(seconds(1, 0, Some(30)), 30.0);
        assert_eq!(seconds(1, 0, Some(u64::MAX)), 3600.0);
    }
}
