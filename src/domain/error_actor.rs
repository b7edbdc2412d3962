//! The role that has to act on a carrier error.

/// The role that has to act before a text arrives or a call goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorActor {
    /// The user who wrote or called: correct the number, try again later, or reach the contact another way.
    Staff,
    /// An admin of the agency: the agency's registration, its permissions or the wording of its texts.
    Admin,
    /// The operator of this server or of the Twilio account: credentials, payment, settings.
    Operator,
}

/// An error code, the role that has to act, and a sentence for users.
pub(super) type Entry = (&'static str, ErrorActor, &'static str);

pub(super) fn find<'a>(entries: &'a [Entry], code: &str) -> Option<&'a Entry> {
    entries.iter().find(|(known, ..)| *known == code)
}

/// Whether the code is one of Twilio's, and not one of Partyline's own words.
pub fn is_carrier_code(code: &str) -> bool {
    !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit())
}
