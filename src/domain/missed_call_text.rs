//! Decides whether the missed-call text is sent to a caller. Caller IDs can be forged, so the text goes only to numbers
//! that the agency would also call, and at most once in [`MIN_INTERVAL`] per contact and number.

use chrono::{DateTime, TimeDelta, Utc};

use super::dialing::{DisallowedNumber, check_number};
use super::opt_out::{Cleared, GateRefusal, OptOutState, gate};
use super::{CallerIdVerification, Purpose};

/// The shortest time between two missed-call texts from one number to one contact.
pub const MIN_INTERVAL: TimeDelta = TimeDelta::hours(12);

/// The most missed-call texts from one number to all contacts within [`PER_HOUR`]. A machine that calls with a new
/// caller ID each time must not spend the agency's money.
pub const MAX_PER_HOUR: u64 = 30;
/// The time in which [`MAX_PER_HOUR`] counts.
pub const PER_HOUR: TimeDelta = TimeDelta::hours(1);

/// A missed call and the facts that the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedCall<'a> {
    /// The contact's phone number.
    pub caller: &'a str,
    /// The number that was called.
    pub number: &'a str,
    /// Whether the caller's number is a live number of an agency on this server.
    pub is_own_number: bool,
    /// The countries that the agency calls; `None` means the country of `number`.
    pub countries: Option<Vec<String>>,
    /// The carrier's verdict on the caller ID.
    pub verification: Option<CallerIdVerification>,
    /// The contact's opt-outs.
    pub opt_out_state: OptOutState,
    /// Whether it is within the agency's quiet hours.
    pub is_quiet: bool,
    /// How many missed-call texts the number has sent within [`PER_HOUR`].
    pub texts_in_an_hour: u64,
    /// The time of the last missed-call text from the number to the contact.
    pub last_text_at: Option<DateTime<Utc>>,
    /// Whether the call ended so long ago that a text would be a surprise.
    pub is_late: bool,
    /// Whether a user has texted the contact from the number since the call began.
    pub staff_wrote: bool,
}

/// The reason why the missed-call text is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    #[error("the call ended too long ago")]
    Late,
    #[error("the caller ID failed its verification")]
    NotVerified,
    #[error("the number cannot be called: {0}")]
    NotCalled(DisallowedNumber),
    #[error("the number belongs to an agency on this server")]
    OwnNumber,
    #[error("the contact has opted out or is blocked by the carrier")]
    OptedOut(GateRefusal),
    #[error("it is within quiet hours")]
    Quiet,
    /// The contact was sent the text less than [`MIN_INTERVAL`] ago.
    #[error("the contact was sent this text recently")]
    Recently,
    /// The number has sent [`MAX_PER_HOUR`] of these texts within an hour.
    #[error("the number has sent too many of these texts within an hour")]
    TooMany,
    #[error("a user has texted the contact since the call")]
    Answered,
}

/// Decides whether the text is sent. The error is the reason if it is not.
pub fn may_text(missed: &MissedCall<'_>, now: DateTime<Utc>) -> Result<Cleared, SkipReason> {
    if missed.is_late {
        return Err(SkipReason::Late);
    }
    if missed.verification == Some(CallerIdVerification::Failed) {
        return Err(SkipReason::NotVerified);
    }
    check_number(missed.caller, missed.number, missed.countries.as_deref()).map_err(SkipReason::NotCalled)?;
    if missed.is_own_number {
        return Err(SkipReason::OwnNumber);
    }
    let cleared = gate(Purpose::MissedCall, missed.opt_out_state).map_err(SkipReason::OptedOut)?;
    if missed.is_quiet {
        return Err(SkipReason::Quiet);
    }
    if missed.last_text_at.is_some_and(|last| now - last < MIN_INTERVAL) {
        return Err(SkipReason::Recently);
    }
    if missed.texts_in_an_hour >= MAX_PER_HOUR {
        return Err(SkipReason::TooMany);
    }
    if missed.staff_wrote { Err(SkipReason::Answered) } else { Ok(cleared) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_sent_once_and_only_to_numbers_that_the_agency_may_call() {
        use {CallerIdVerification as V, SkipReason as N};
        let now = DateTime::from_timestamp(1_795_446_000, 0).unwrap();
        let ago = |hours, seconds| Some(now - TimeDelta::hours(hours) + TimeDelta::seconds(seconds));
        let countries = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let stopped = OptOutState { opted_out: true, blocked: false };
        let blocked = OptOutState { opted_out: false, blocked: true };
        let usual = MissedCall {
            caller: "+13035560001",
            number: "+13035550100",
            is_own_number: false,
            countries: None,
            verification: None,
            opt_out_state: OptOutState { opted_out: false, blocked: false },
            is_quiet: false,
            texts_in_an_hour: 0,
            last_text_at: None,
            is_late: false,
            staff_wrote: false,
        };
        let from = |caller| MissedCall { caller, ..usual.clone() };
        let verified = |verdict| MissedCall { verification: Some(verdict), ..usual.clone() };
        let texted = |at| MissedCall { last_text_at: at, ..usual.clone() };
        for (missed, expected) in [
            (usual.clone(), Ok(())),
            (from("+881612345678"), Err(N::NotCalled(DisallowedNumber::Country))),
            (from("+19005550123"), Err(N::NotCalled(DisallowedNumber::Premium))),
            (from("+4930123456"), Err(N::NotCalled(DisallowedNumber::Country))),
            (from("+18765550123"), Err(N::NotCalled(DisallowedNumber::Country))),
            (from("88222"), Err(N::NotCalled(DisallowedNumber::NotANumber))),
            (MissedCall { countries: countries(&["US", "DE"]), ..from("+4930123456") }, Ok(())),
            (
                MissedCall { countries: countries(&["DE"]), ..usual.clone() },
                Err(N::NotCalled(DisallowedNumber::Country)),
            ),
            (MissedCall { is_own_number: true, ..from("+13035550101") }, Err(N::OwnNumber)),
            (verified(V::PassedA), Ok(())),
            (verified(V::PassedC), Ok(())),
            (verified(V::NotVerified), Ok(())),
            (verified(V::Failed), Err(N::NotVerified)),
            (MissedCall { opt_out_state: stopped, ..usual.clone() }, Err(N::OptedOut(GateRefusal::OptedOut))),
            (MissedCall { opt_out_state: blocked, ..usual.clone() }, Err(N::OptedOut(GateRefusal::Blocked))),
            (MissedCall { is_quiet: true, ..usual.clone() }, Err(N::Quiet)),
            (texted(ago(0, 0)), Err(N::Recently)),
            (texted(ago(12, 1)), Err(N::Recently)),
            (texted(ago(12, 0)), Ok(())),
            (MissedCall { texts_in_an_hour: MAX_PER_HOUR - 1, ..usual.clone() }, Ok(())),
            (MissedCall { texts_in_an_hour: MAX_PER_HOUR, ..usual.clone() }, Err(N::TooMany)),
            (MissedCall { is_late: true, ..usual.clone() }, Err(N::Late)),
            (MissedCall { staff_wrote: true, ..usual.clone() }, Err(N::Answered)),
        ] {
            assert_eq!(may_text(&missed, now).map(drop), expected, "{missed:?}");
        }
    }
}
