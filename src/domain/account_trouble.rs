//! Problems of a Twilio account: when a problem is reported, and which request proves that it is resolved.

use super::{AccountTrouble, TwilioRequest};

/// A problem and the kind of request that revealed it.
pub type OpenTrouble = (AccountTrouble, TwilioRequest);

impl AccountTrouble {
    /// Whether this problem is reported although `open` has already been reported. Only a more severe problem is, so
    /// that each cause is reported once.
    pub fn replaces(self, open: Option<AccountTrouble>) -> bool {
        open.is_none_or(|open| self > open)
    }

    /// A sentence for operators, without a final period, for log lines and `partyline doctor`.
    pub fn explain(self) -> &'static str {
        match self {
            Self::CallbackUrl => "Twilio cannot use the public URL (21609); check PARTYLINE_PUBLIC_URL",
            Self::Forbidden => "the credentials lack a permission at Twilio",
            Self::Suspended => "the Twilio account is suspended, unpaid or closed",
            Self::Credentials => "Twilio does not accept the account's credentials",
        }
    }
}

/// Whether a problem is resolved because Twilio has served this request. All requests use the same credentials. Any
/// other problem may affect only one kind of request, so only a request of that kind proves that it is resolved.
pub fn is_over((trouble, met_by): OpenTrouble, served: TwilioRequest) -> bool {
    trouble == AccountTrouble::Credentials || met_by == served
}

#[cfg(test)]
mod tests {
    use super::AccountTrouble::{CallbackUrl, Credentials, Forbidden, Suspended};
    use super::*;

    #[test]
    fn only_a_more_severe_problem_is_reported_again() {
        let by_severity = [CallbackUrl, Forbidden, Suspended, Credentials];
        for (at, open) in by_severity.into_iter().enumerate() {
            assert!(open.replaces(None));
            for (other, met) in by_severity.into_iter().enumerate() {
                assert_eq!(met.replaces(Some(open)), other > at, "{met:?} while {open:?} is open");
            }
        }
    }

    #[test]
    fn a_served_request_resolves_the_problems_that_it_disproves() {
        use TwilioRequest::{Call, Lookup, Media, Recording, Text};
        for served in [Text, Lookup, Call, Recording, Media] {
            assert!(is_over((Credentials, Call), served), "{served:?}");
            for trouble in [CallbackUrl, Forbidden, Suspended] {
                assert_eq!(is_over((trouble, Text), served), served == Text, "{trouble:?} {served:?}");
            }
        }
    }
}
