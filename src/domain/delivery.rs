//! How far a text got: what the carrier reports, in any order, and what an attempt to send it shows.

use std::time::Duration;

use super::delivery_error::BLOCKED;
use super::{AccountTrouble, MessageStatus};

/// What has been reported of a text: how far it got, and the error that goes with that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How far it got.
    pub status: MessageStatus,
    /// Why not further, by the carrier's code or one of ours (`domain::delivery_error`).
    pub error_code: Option<String>,
}

impl Report {
    /// A report without an error.
    pub fn of(status: MessageStatus) -> Self {
        Self { status, error_code: None }
    }

    /// A report with the error that it tells of.
    pub fn failed(status: MessageStatus, error_code: impl Into<String>) -> Self {
        Self { status, error_code: Some(error_code.into()) }
    }

    /// Reads Twilio's word for a status; `None` if it says nothing of an outbound text.
    /// Source: Twilio, "Messages resource: message status values".
    pub fn from_twilio(status: &str, error_code: Option<&str>) -> Option<Self> {
        let status = match status {
            // All of these say that the carrier has it.
            "accepted" | "scheduled" | "queued" | "sending" | "sent" => MessageStatus::Sent,
            "delivered" | "read" => MessageStatus::Delivered,
            "undelivered" => MessageStatus::Undelivered,
            "failed" | "canceled" => MessageStatus::Failed,
            _ => return None,
        };
        let error_code = error_code.filter(|code| is_error_code(code) && *code != "0").map(str::to_owned);
        Some(Self { status, error_code })
    }

    /// Both reports as one: the higher status stands, whichever came first, and its error with it.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        // Of two that say the same, one error is chosen by its name, not by its arrival.
        let key = |report: &Self| (rank(report.status), precedence(report), report.error_code.clone());
        if key(&other) > key(&self) { other } else { self }
    }
}

/// Precedence among errors with the same status. Our own codes are decisions and take precedence over the carrier's;
/// among the carrier's codes, the block takes precedence because it affects later texts.
fn precedence(report: &Report) -> u8 {
    match report.error_code.as_deref() {
        None => 0,
        Some(BLOCKED) => 2,
        Some(code) if code.bytes().all(|b| b.is_ascii_digit()) => 1,
        Some(_) => 3,
    }
}

/// The longest error code that is kept.
const MAX_CODE_BYTES: usize = 16;

fn is_error_code(code: &str) -> bool {
    (1..=MAX_CODE_BYTES).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The order in which statuses outdo each other.
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

/// Whether a text with this status did not reach its phone, as far as is known.
pub fn is_failure(status: MessageStatus) -> bool {
    matches!(status, MessageStatus::Undelivered | MessageStatus::Failed)
}

/// What an attempt to send showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// The carrier has the text, under this name of its own.
    Accepted {
        /// Twilio's MessageSid.
        sid: String,
    },
    /// The carrier does not have it and will not take it.
    Rejected {
        /// Why.
        error_code: String,
    },
    /// The carrier does not have it, and may take it later: nothing was sent, or it was asked to wait.
    NotNow {
        /// How long the carrier asks to wait.
        retry_after: Option<Duration>,
    },
    /// Twilio does not have it, because it does not serve the account: the text waits until that is repaired.
    Withheld {
        /// Why.
        trouble: AccountTrouble,
    },
    /// It may have arrived: never send it again.
    InDoubt,
}

/// The longest pause between two attempts, unless the carrier asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// No carrier is waited for longer than this.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// The shortest pause while Twilio does not serve the account: somebody has to repair it first.
pub const TROUBLE_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait after so many failed attempts: twice as long each time, `jitter` (0 to 255)
/// taking up to half of it away, and at least what the carrier asks for.
pub fn pause(attempts: u32, jitter: u8, asked: Option<Duration>) -> Duration {
    let doubled = Duration::from_secs(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    let pause = doubled - doubled / 2 * u32::from(jitter) / 255;
    pause.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// How long to wait before a text in doubt is looked for again.
pub fn look_again(looks: u32) -> Duration {
    Duration::from_secs(1 << looks.min(5))
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

    /// Calls back with every order of these.
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

    fn ends(reports: &[Report]) -> Report {
        let queued = Report::of(MessageStatus::Queued);
        reports.iter().cloned().fold(queued, Report::join)
    }

    #[test]
    fn every_order_of_reports_ends_the_same() {
        let all: Vec<Report> = TWILIO.iter().filter_map(|(status, code)| Report::from_twilio(status, *code)).collect();
        assert_eq!(all.len(), TWILIO.len());
        // Every choice of up to five of them, those that came twice among them, in every order.
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
            let expected = ends(&some);
            permutations(&some, &mut Vec::new(), &mut |order| assert_eq!(ends(order), expected, "{order:?}"));
        }
    }

    #[test]
    fn the_error_goes_with_the_status_that_stands() {
        let undelivered = Report::failed(MessageStatus::Undelivered, "30003");
        let delivered = Report::of(MessageStatus::Delivered);
        assert_eq!(undelivered.clone().join(delivered.clone()), delivered);
        assert_eq!(delivered.clone().join(undelivered.clone()), delivered);
        assert_eq!(Report::of(MessageStatus::Unknown).join(undelivered.clone()), undelivered);
    }

    #[test]
    fn of_two_errors_with_one_status_ours_stands_then_the_block_then_any_other() {
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
    fn what_says_nothing_is_no_report() {
        for status in ["", "received", "receiving", "DELIVERED", "partially_delivered"] {
            assert_eq!(Report::from_twilio(status, None), None, "{status}");
        }
        let odd = Report::from_twilio("failed", Some("not a code, but a body")).unwrap();
        assert_eq!(odd.error_code, None);
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let seconds = |attempts, jitter, asked: Option<u64>| {
            pause(attempts, jitter, asked.map(Duration::from_secs)).as_secs_f64()
        };
        assert_eq!([1, 2, 3, 4].map(|n| seconds(n, 0, None)), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!([9, 20, u32::MAX].map(|n| seconds(n, 0, None)), [256.0, 300.0, 300.0]);
        assert_eq!(seconds(3, 255, None), 2.0);
        assert_eq!(seconds(1, 0, Some(30)), 30.0);
        assert_eq!(seconds(1, 0, Some(u64::MAX)), 3600.0);
    }
}
