//! What is known of a call comes in any order, twice, or late: from the documents that we gave, from the
//! presses, from the reports on the call and on each of its legs. Here it becomes one status.

use super::address::is_e164;
use super::caller_id::is_withheld;
use super::{CallEnd, CallStage, CallStatus, CallerIdVerification, Direction, LegState};

/// What is known of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Which way it goes.
    pub direction: Direction,
    /// What the caller was last told to do.
    pub stage: CallStage,
    /// Whether somebody has or had it.
    pub answered: bool,
    /// Whether a voicemail was left.
    pub voicemail: bool,
    /// How it ended, if it has.
    pub end: Option<CallEnd>,
}

impl CallEnd {
    /// Reads a `CallStatus` of Twilio's; `None` is one of a call that goes on.
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
    /// Reads Twilio's `StirVerstat`; `None` for an unknown value. The suffix `-Diverted` of forwarded calls is ignored.
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

/// How far a call got.
pub fn status(facts: &Facts) -> CallStatus {
    let Some(end) = facts.end else {
        return if facts.answered { CallStatus::InProgress } else { CallStatus::Ringing };
    };
    match (facts.answered, facts.voicemail, end, facts.direction) {
        (true, ..) => CallStatus::Completed,
        (_, true, ..) => CallStatus::Voicemail,
        (_, _, CallEnd::Failed, _) => CallStatus::Failed,
        (_, _, CallEnd::Busy, _) => CallStatus::Busy,
        (_, _, CallEnd::Canceled, _) => CallStatus::Canceled,
        // The caller left while it rang, by whichever word: nobody else could have ended it then.
        (_, _, CallEnd::Completed | CallEnd::NoAnswer, Direction::Inbound) if facts.stage == CallStage::Ringing => {
            CallStatus::Canceled
        }
        (_, _, CallEnd::Completed | CallEnd::NoAnswer, _) => CallStatus::NoAnswer,
    }
}

/// Adds a report to what is known of a leg. The later one in the list of [`LegState`] stands, in whatever
/// order they come.
pub fn join(known: LegState, report: LegState) -> LegState {
    if rank(report) > rank(known) { report } else { known }
}

fn rank(state: LegState) -> u8 {
    match state {
        LegState::Ringing => 0,
        // It is inferred, too, from the end of the call; why it did not answer says more.
        LegState::Canceled => 1,
        LegState::NoAnswer | LegState::Busy | LegState::Failed => 2,
        LegState::PickedUp => 3,
        LegState::Declined => 4,
        LegState::AlreadyTaken => 5,
        LegState::Accepted => 6,
        LegState::Connected => 7,
    }
}

/// What a `CallStatus` says of a leg that is not connected yet.
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

/// Whether a `DialCallStatus` says that something picked up: somebody, or a mobile's own voicemail.
pub fn was_picked_up(status: &str) -> bool {
    matches!(status, "completed" | "answered")
}

/// Whether a caller can be known again: by a number of their own.
pub fn is_known_caller(from: &str) -> bool {
    is_e164(from) && !is_withheld(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_comes_to() {
        let facts =
            |stage, answered, voicemail, end| Facts { direction: Direction::Inbound, stage, answered, voicemail, end };
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
        let outbound = |end| Facts { direction: Direction::Outbound, ..facts(S::Ringing, false, false, Some(end)) };
        for (end, expected) in
            [(E::Busy, C::Busy), (E::NoAnswer, C::NoAnswer), (E::Completed, C::NoAnswer), (E::Failed, C::Failed)]
        {
            assert_eq!(status(&outbound(end)), expected);
        }
    }

    #[test]
    fn a_leg_comes_to_the_same_in_every_order() {
        use LegState as L;
        let reports = [L::Ringing, L::PickedUp, L::Accepted, L::PickedUp, L::Canceled];
        let highest = reports.into_iter().fold(L::Ringing, join);
        assert_eq!(highest, L::Accepted);
        for turned in 0..reports.len() {
            let mut other = reports;
            other.rotate_left(turned);
            assert_eq!(other.into_iter().fold(L::Ringing, join), highest);
            other.reverse();
            assert_eq!(other.into_iter().fold(L::Ringing, join), highest);
        }
    }

    #[test]
    fn every_verdict_of_twilio_is_read_and_an_unknown_one_is_ignored() {
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
    fn callers_who_hide_are_not_known() {
        assert!(is_known_caller("+13035560001"));
        for from in ["anonymous", "", "+266696687", "sip:someone@example.com", "Restricted", "+8656696"] {
            assert!(!is_known_caller(from), "{from}");
        }
    }
}
