//! The trouble of a Twilio account: which trouble is reported, and which request shows that it is over.

use super::{AccountTrouble, TwilioRequest};

/// A trouble with the request that met it.
pub type OpenTrouble = (AccountTrouble, TwilioRequest);

impl AccountTrouble {
    /// Whether this trouble is reported although `open` is known already: only a more severe one is, so that one
    /// cause is reported once.
    pub fn replaces(self, open: Option<AccountTrouble>) -> bool {
        open.is_none_or(|open| self > open)
    }

    /// A sentence for an operator, without a period, that a log line or `doctor` can show.
    pub fn explain(self) -> &'static str {
        match self {
            Self::CallbackUrl => "Twilio cannot use the public URL (21609); check PARTYLINE_PUBLIC_URL",
            Self::Forbidden => "the credentials lack a permission at Twilio",
            Self::Suspended => "the Twilio account is suspended, unpaid or closed",
            Self::Credentials => "Twilio does not accept the account's credentials",
        }
    }
}

/// Whether a trouble is over because Twilio has served this request. Credentials are the same for every request;
/// whatever else may concern only requests of one kind, so that only the same kind proves that it is over.
pub fn is_over((trouble, met_by): OpenTrouble, served: TwilioRequest) -> bool {
    trouble == AccountTrouble::Credentials || met_by == served
}

#[cfg(test)]
mod tests {
    use super::AccountTrouble::{CallbackUrl, Credentials, Forbidden, Suspended};
    use super::*;

    #[test]
    fn only_a_more_severe_trouble_is_reported_again() {
        let by_severity = [CallbackUrl, Forbidden, Suspended, Credentials];
        for (at, open) in by_severity.into_iter().enumerate() {
            assert!(open.replaces(None));
            for (other, met) in by_severity.into_iter().enumerate() {
                assert_eq!(met.replaces(Some(open)), other > at, "{met:?} while {open:?} is open");
            }
        }
    }

    #[test]
    fn a_request_that_was_served_ends_what_it_disproves() {
        use TwilioRequest::{Call, Lookup, Recording, Text};
        for served in [Text, Lookup, Call, Recording] {
            assert!(is_over((Credentials, Call), served), "{served:?}");
            for trouble in [CallbackUrl, Forbidden, Suspended] {
                assert_eq!(is_over((trouble, Text), served), served == Text, "{trouble:?} {served:?}");
            }
        }
    }
}
