//! Derives one status from the reports on a call and its legs, which may arrive late, repeatedly and in any order.

mod state;
#[cfg(test)]
mod state_tests;

pub use state::{CallEvent, CallState, CallStep, DialResult, Leg, LegReport};

use super::address::is_e164;
use super::caller_id::is_withheld;
use super::{CallEnd, CallStage, CallStatus, CallerIdVerification, Direction, LegState};

/// The reported facts that determine the status of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFacts {
    pub direction: Direction,
    pub stage: CallStage,
    /// Whether somebody has answered the call.
    pub answered: bool,
    pub voicemail: bool,
    /// How the call ended; `None` while it is active.
    pub end: Option<CallEnd>,
}

impl CallEnd {
    /// Parses Twilio's `CallStatus`; `None` if the call is still active.
    /// Source: Twilio, "Call status values".
    pub fn from_twilio(status: &str) -> Option<Self> {
        Some(match status {
            "completed" => Self::Completed,
            "busy" => Self::Busy,
            "no-answer" => Self::NoAnswer,
            "canceled" => Self::Canceled,
            "failed" => Self::Failed,
            _ => return None,
        })
    }
}

impl CallerIdVerification {
    /// Parses Twilio's `StirVerstat`; `None` for an unknown value. The suffix `-Diverted` of forwarded calls is
    /// ignored.
    /// Source: Twilio, "Trusted calling with SHAKEN/STIR".
    pub fn from_twilio(verdict: &str) -> Option<Self> {
        Some(match verdict.strip_suffix("-Diverted").unwrap_or(verdict) {
            "TN-Validation-Passed-A" => Self::PassedA,
            "TN-Validation-Passed-B" => Self::PassedB,
            "TN-Validation-Passed-C" => Self::PassedC,
            "TN-Validation-Failed" | "TN-Validation-Failed-A" | "TN-Validation-Failed-B" | "TN-Validation-Failed-C" => {
                Self::Failed
            }
            "No-TN-Validation" => Self::NotVerified,
            _ => return None,
        })
    }
}

pub fn status(facts: &CallFacts) -> CallStatus {
    let Some(end) = facts.end else {
        return if facts.answered { CallStatus::InProgress } else { CallStatus::Ringing };
    };
    match (facts.answered, facts.voicemail, end, facts.direction) {
        (true, ..) => CallStatus::Completed,
        (_, true, ..) => CallStatus::Voicemail,
        (_, _, CallEnd::Failed, _) => CallStatus::Failed,
        (_, _, CallEnd::Busy, _) => CallStatus::Busy,
        (_, _, CallEnd::Canceled, _) => CallStatus::Canceled,
        // Only the caller can end an inbound call while it rings, whatever status the carrier reports.
        (_, _, CallEnd::Completed | CallEnd::NoAnswer, Direction::Inbound) if facts.stage == CallStage::Ringing => {
            CallStatus::Canceled
        }
        (_, _, CallEnd::Completed | CallEnd::NoAnswer, _) => CallStatus::NoAnswer,
    }
}

/// Merges a report into the known state of a leg. The state with the higher rank wins, so the order of reports does not
/// matter.
pub fn merge_leg_state(known: LegState, report: LegState) -> LegState {
    if rank(report) > rank(known) { report } else { known }
}

fn rank(state: LegState) -> u8 {
    match state {
        LegState::Ringing => 0,
        // This state is also inferred from the end of the call, so a reported reason takes precedence over it.
        LegState::Canceled => 1,
        LegState::NoAnswer | LegState::Busy | LegState::Failed => 2,
        LegState::PickedUp => 3,
        LegState::Declined => 4,
        LegState::AlreadyTaken => 5,
        LegState::Accepted => 6,
        LegState::Connected => 7,
    }
}

/// The state of a leg that is not yet connected, by its `CallStatus`; `None` for an unknown status.
/// Source: Twilio, "TwiML: Number", status callbacks.
pub fn leg_report(status: &str) -> Option<LegState> {
    Some(match status {
        "queued" | "initiated" | "ringing" => LegState::Ringing,
        "in-progress" | "answered" | "completed" => LegState::PickedUp,
        "busy" => LegState::Busy,
        "no-answer" => LegState::NoAnswer,
        "canceled" => LegState::Canceled,
        "failed" => LegState::Failed,
        _ => return None,
    })
}

/// Whether a `DialCallStatus` means that a person or a mobile's own voicemail picked up.
pub fn was_picked_up(status: &str) -> bool {
    matches!(status, "completed" | "answered")
}

/// Whether the caller ID is a number that identifies the caller.
pub fn is_known_caller(from: &str) -> bool {
    is_e164(from) && !is_withheld(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_from_the_facts() {
        let facts = |stage, answered, voicemail, end| CallFacts {
            direction: Direction::Inbound,
            stage,
            answered,
            voicemail,
            end,
        };
        use {CallEnd as E, CallStage as S, CallStatus as C};
        for (known, expected) in [
            (facts(S::Greeting, false, false, None), C::Ringing),
            (facts(S::Ringing, true, false, None), C::InProgress),
            (facts(S::Ringing, true, false, Some(E::Completed)), C::Completed),
            (facts(S::Done, true, false, Some(E::Completed)), C::Completed),
            (facts(S::Ringing, false, false, Some(E::Completed)), C::Canceled),
            (facts(S::Ringing, false, false, Some(E::Canceled)), C::Canceled),
            (facts(S::Ringing, false, false, Some(E::NoAnswer)), C::Canceled),
            (facts(S::Greeting, false, false, Some(E::NoAnswer)), C::NoAnswer),
            (facts(S::Greeting, false, false, Some(E::Completed)), C::NoAnswer),
            (facts(S::Recording, false, false, Some(E::Completed)), C::NoAnswer),
            (facts(S::Recording, false, true, Some(E::Completed)), C::Voicemail),
            (facts(S::Done, false, true, Some(E::Completed)), C::Voicemail),
            (facts(S::Greeting, false, false, Some(E::Failed)), C::Failed),
        ] {
            assert_eq!(status(&known), expected, "{known:?}");
        }
        let outbound = |end| CallFacts { direction: Direction::Outbound, ..facts(S::Ringing, false, false, Some(end)) };
        for (end, expected) in
            [(E::Busy, C::Busy), (E::NoAnswer, C::NoAnswer), (E::Completed, C::NoAnswer), (E::Failed, C::Failed)]
        {
            assert_eq!(status(&outbound(end)), expected);
        }
    }

    #[test]
    fn leg_reports_merge_to_the_same_state_in_any_order() {
        use LegState as L;
        let reports = [L::Ringing, L::PickedUp, L::Accepted, L::PickedUp, L::Canceled];
        let highest = reports.into_iter().fold(L::Ringing, merge_leg_state);
        assert_eq!(highest, L::Accepted);
        for turned in 0..reports.len() {
            let mut other = reports;
            other.rotate_left(turned);
            assert_eq!(other.into_iter().fold(L::Ringing, merge_leg_state), highest);
            other.reverse();
            assert_eq!(other.into_iter().fold(L::Ringing, merge_leg_state), highest);
        }
    }

    #[test]
    fn known_stir_verdicts_are_parsed_and_unknown_ones_are_ignored() {
        use CallerIdVerification as V;
        for (verdict, expected) in [
            ("TN-Validation-Passed-A", Some(V::PassedA)),
            ("TN-Validation-Passed-B", Some(V::PassedB)),
            ("TN-Validation-Passed-C", Some(V::PassedC)),
            ("TN-Validation-Passed-A-Diverted", Some(V::PassedA)),
            ("TN-Validation-Failed", Some(V::Failed)),
            ("TN-Validation-Failed-A", Some(V::Failed)),
            ("TN-Validation-Failed-B", Some(V::Failed)),
            ("TN-Validation-Failed-C", Some(V::Failed)),
            ("TN-Validation-Failed-C-Diverted", Some(V::Failed)),
            ("No-TN-Validation", Some(V::NotVerified)),
            ("", None),
            ("TN-Validation-Passed", None),
        ] {
            assert_eq!(CallerIdVerification::from_twilio(verdict), expected, "{verdict}");
        }
    }

    #[test]
    fn withheld_caller_ids_do_not_identify_a_caller() {
        assert!(is_known_caller("+13035560001"));
        for from in ["anonymous", "", "+266696687", "sip:someone@example.com", "Restricted", "+8656696"] {
            assert!(!is_known_caller(from), "{from}");
        }
    }
}
