//! Who has to act on an error of the carrier's.

/// Who has to act before a text arrives, or a call goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorActor {
    /// The member of the staff who wrote or called: correct the number, try again later, or reach the contact another way.
    Staff,
    /// An admin of the agency: the agency's registration, its permissions or what its texts say.
    Admin,
    /// The operator of this server or of the Twilio account: credentials, payment, settings.
    Operator,
}

/// What an error code means: the code, who has to act, and a sentence for a person.
pub(super) type Entry = (&'static str, ErrorActor, &'static str);

pub(super) fn find<'a>(entries: &'a [Entry], code: &str) -> Option<&'a Entry> {
    entries.iter().find(|(known, ..)| *known == code)
}
