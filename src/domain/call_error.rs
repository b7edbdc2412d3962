//! Why the carrier refused a call that a user started, in words, and who has to act.
//! Source: Twilio, "Error and warning dictionary".

use super::error_actor::ErrorActor::{self, Admin, Operator, Staff};
use super::error_actor::{Entry, find};

/// The carrier refused without a code.
pub const REJECTED: &str = "REJECTED";
/// The carrier could not be reached.
pub const UNREACHABLE: &str = "UNREACHABLE";
/// The carrier is busy.
pub const BUSY: &str = "20429";

/// What an error code means, for a person. The code itself is shown beside it.
pub fn explain(code: &str) -> &'static str {
    find(CODES, code).map_or("The carrier refused the call.", |(_, _, sentence)| *sentence)
}

/// Who has to act. A code that is not known here is for the operator to look up at Twilio.
pub fn actor(code: &str) -> ErrorActor {
    find(CODES, code).map_or(Operator, |(_, actor, _)| *actor)
}

const CODES: &[Entry] = &[
    (REJECTED, Operator, "The carrier refused the call without a reason."),
    ("CREDENTIALS", Operator, "Twilio does not accept the credentials of our account."),
    ("FORBIDDEN", Operator, "Our credentials lack the permission to start calls at Twilio."),
    ("SUSPENDED", Operator, "The Twilio account is suspended, unpaid or closed."),
    ("CALLBACK_URL", Operator, "Twilio cannot use this server's public URL."),
    (UNREACHABLE, Staff, "The carrier could not be reached. Try again in a moment."),
    ("10001", Operator, "The Twilio account is not active."),
    ("10004", Staff, "The Twilio account has too many calls at the same time. Try again in a moment."),
    ("10005", Operator, "Calls are switched off for the Twilio account."),
    ("13223", Staff, "The number to call is not written as a phone number."),
    ("13224", Staff, "The number to call is not a valid phone number."),
    ("13225", Staff, "Twilio does not connect calls to this number."),
    ("13227", Operator, "The Twilio account has no permission to call the country of this number."),
    ("20003", Operator, "Twilio does not accept our credentials."),
    ("20005", Operator, "The Twilio account is suspended or closed."),
    (BUSY, Staff, "Too many requests were sent to Twilio. Try again in a moment."),
    ("21201", Staff, "There was no number to call."),
    ("21203", Staff, "The number to call is too long."),
    ("21205", Operator, "Twilio cannot use this server's public URL to control the call."),
    ("21210", Admin, "Our number may not be shown as the caller, because it does not belong to the Twilio account."),
    ("21211", Staff, "The number that Twilio was asked to ring is not a valid phone number."),
    ("21212", Admin, "Our number is not a valid number to be shown as the caller."),
    ("21213", Operator, "The call was started without a number to be shown as the caller."),
    ("21214", Staff, "Twilio cannot reach the number that it was asked to ring."),
    (
        "21215",
        Operator,
        "The Twilio account has no permission to call this country. It is set under Voice geographic permissions.",
    ),
    ("21216", Operator, "The Twilio account may not call this number."),
    ("21217", Staff, "The number that Twilio was asked to ring does not exist."),
    ("21219", Operator, "A trial account at Twilio can only call numbers that were verified there."),
    ("21609", Operator, "Twilio cannot use this server's public URL to report what became of the call."),
    ("32205", Operator, "The Twilio account has no permission to call this range of numbers."),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_full_sentence_of_its_own() {
        let mut codes = HashSet::new();
        let mut sentences = HashSet::from([explain("99999")]);
        for (code, _, sentence) in CODES {
            assert!(codes.insert(code), "{code} is there twice");
            assert!(sentences.insert(sentence), "{code} shares its sentence");
            assert_eq!(explain(code), *sentence);
            assert!(sentence.starts_with(|c: char| c.is_uppercase()) && sentence.ends_with('.'), "{code}: {sentence}");
        }
        assert_eq!(
            [actor("21215"), actor("21210"), actor("10004"), actor("99999")],
            [Operator, Admin, Staff, Operator]
        );
    }
}
