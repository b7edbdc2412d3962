//! Explains the error codes of calls that the carrier refused, and names the role that has to act.
//! Source: Twilio, "Error and warning dictionary".

use super::error_actor::ErrorActor::{self, Admin, Operator, Staff};
use super::error_actor::{Entry, find};

/// The carrier refused without a code.
pub const REJECTED: &str = "REJECTED";
/// The carrier could not be reached.
pub const UNREACHABLE: &str = "UNREACHABLE";
/// The carrier is busy.
pub const BUSY: &str = "20429";

/// Explains an error code in a sentence for users. Clients show the code next to it.
pub fn explain(code: &str) -> &'static str {
    find(CODES, code).map_or("The carrier refused the call.", |(_, _, sentence)| *sentence)
}

/// The role that has to act. For an unknown code it is the operator, who can look the code up at Twilio.
pub fn actor(code: &str) -> ErrorActor {
    find(CODES, code).map_or(Operator, |(_, actor, _)| *actor)
}

const CODES: &[Entry] = &[
    (REJECTED, Operator, "The carrier refused the call without a reason."),
    ("CREDENTIALS", Operator, "Twilio does not accept the credentials of the account."),
    ("FORBIDDEN", Operator, "The Twilio credentials lack the permission to start calls."),
    ("SUSPENDED", Operator, "The Twilio account is suspended, unpaid or closed."),
    ("CALLBACK_URL", Operator, "Twilio cannot use this server's public URL."),
    (UNREACHABLE, Staff, "The carrier could not be reached. Try again in a moment."),
    ("10001", Operator, "The Twilio account is not active."),
    ("10004", Staff, "The Twilio account has too many calls at the same time. Try again in a moment."),
    ("10005", Operator, "Calls are disabled for the Twilio account."),
    ("13223", Staff, "The number to call is not in the format of a phone number."),
    ("13224", Staff, "The number to call is not a valid phone number."),
    ("13225", Staff, "Twilio does not connect calls to this number."),
    ("13227", Operator, "The Twilio account has no permission to call the country of this number."),
    ("20003", Operator, "Twilio rejected the credentials (error 20003)."),
    ("20005", Operator, "The Twilio account is suspended or closed."),
    (BUSY, Staff, "Too many requests were sent to Twilio. Try again in a moment."),
    ("21201", Staff, "The request did not contain a number to call."),
    ("21203", Staff, "The number to call is too long."),
    ("21205", Operator, "Twilio cannot use this server's public URL to control the call."),
    (
        "21210",
        Admin,
        "The agency's number cannot be used as the caller ID because it does not belong to the Twilio account.",
    ),
    ("21211", Staff, "The number that Twilio was asked to call is not a valid phone number."),
    ("21212", Admin, "The agency's number is not a valid caller ID."),
    ("21213", Operator, "The call was started without a caller ID."),
    ("21214", Staff, "Twilio cannot reach the number that it was asked to call."),
    (
        "21215",
        Operator,
        "Calls to this country are not enabled in the Voice geographic permissions of the Twilio account.",
    ),
    ("21216", Operator, "The Twilio account may not call this number."),
    ("21217", Staff, "The number that Twilio was asked to call does not exist."),
    ("21219", Operator, "A Twilio trial account can only call numbers that have been verified at Twilio."),
    ("21609", Operator, "Twilio cannot use this server's public URL to report the status of the call."),
    ("32205", Operator, "The Twilio account has no permission to call this range of numbers."),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_complete_sentence() {
        let mut codes = HashSet::new();
        let mut sentences = HashSet::from([explain("99999")]);
        for (code, _, sentence) in CODES {
            assert!(codes.insert(code), "{code} is listed twice");
            assert!(sentences.insert(sentence), "the sentence of {code} is not unique");
            assert_eq!(explain(code), *sentence);
            assert!(sentence.starts_with(|c: char| c.is_uppercase()) && sentence.ends_with('.'), "{code}: {sentence}");
        }
        assert_eq!(
            [actor("21215"), actor("21210"), actor("10004"), actor("99999")],
            [Operator, Admin, Staff, Operator]
        );
    }
}
