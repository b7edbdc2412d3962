//! Who wants no texts, and the one gate before every text that leaves.
//!
//! Source of the words: Twilio, "Twilio support for opt-out keywords (SMS STOP filtering)";
//! `OptOutType` comes with numbers of a messaging service that has Advanced Opt-Out, and then says it
//! outright.

use super::Purpose;

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// No more texts from this agency.
    Stop,
    /// Texts again.
    Start,
    /// To be told who this is.
    Help,
}

const STOP: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const START: [&str; 3] = ["START", "YES", "UNSTOP"];
const HELP: [&str; 2] = ["HELP", "INFO"];

/// Reads the wish of a text, if it has one. Twilio's own reading (`OptOutType`) goes first; words
/// count only when they are the whole text.
pub fn wish(body: &str, opt_out_type: Option<&str>) -> Option<Wish> {
    match opt_out_type {
        Some("STOP") => return Some(Wish::Stop),
        Some("START") => return Some(Wish::Start),
        Some("HELP") => return Some(Wish::Help),
        _ => {}
    }
    let word = body.trim();
    let among = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    if among(&STOP) {
        Some(Wish::Stop)
    } else if among(&START) {
        Some(Wish::Start)
    } else if among(&HELP) {
        Some(Wish::Help)
    } else {
        None
    }
}

/// What is known of a contact's wishes when a text is to be queued, or to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// They texted STOP to any number of the agency, and no START since.
    pub opted_out: bool,
    /// The carrier refuses texts from this number to them (error 21610), until they text START to it.
    pub blocked: bool,
}

/// Why a text may not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// The contact opted out of the agency's texts.
    OptedOut,
    /// The carrier blocks this number for them.
    Blocked,
}

/// The gate. It is asked when a text is queued and, under the agency's lock, in the transaction that
/// commits the attempt to send it: so no text leaves after a STOP.
///
/// # Errors
/// When the text may not leave.
pub fn gate(purpose: Purpose, wishes: Wishes) -> Result<(), Barred> {
    match purpose {
        // What answers a STOP or a HELP is the only text that goes to whoever opted out.
        _ if wishes.blocked => Err(Barred::Blocked),
        Purpose::OptOutReply => Ok(()),
        Purpose::Conversation | Purpose::MissedCall if wishes.opted_out => Err(Barred::OptedOut),
        Purpose::Conversation | Purpose::MissedCall => Ok(()),
    }
}

/// What we answer to a STOP when the agency has no words of its own.
pub fn stop_reply(agency: &str) -> String {
    format!("{agency}: you will get no more texts from us. Reply START to get them again.")
}

/// What we answer to a HELP when the agency has no words of its own.
pub fn help_reply(agency: &str) -> String {
    format!("{agency}: reply here and our staff will answer. Reply STOP to get no more texts.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_only_as_the_whole_text() {
        for (body, expected) in [
            ("STOP", Some(Wish::Stop)),
            (" stop \n", Some(Wish::Stop)),
            ("Unsubscribe", Some(Wish::Stop)),
            ("start", Some(Wish::Start)),
            ("Help", Some(Wish::Help)),
            ("info", Some(Wish::Help)),
            ("please stop", None),
            ("stop.", None),
            ("help me", None),
            ("", None),
        ] {
            assert_eq!(wish(body, None), expected, "{body:?}");
        }
    }

    #[test]
    fn twilios_reading_goes_first() {
        assert_eq!(wish("arrêt", Some("STOP")), Some(Wish::Stop));
        assert_eq!(wish("hello", Some("HELP")), Some(Wish::Help));
        assert_eq!(wish("hello", Some("ELSE")), None);
    }

    #[test]
    fn the_table_of_the_gate() {
        let (open, out) = (Wishes { opted_out: false, blocked: false }, Wishes { opted_out: true, blocked: false });
        assert_eq!(gate(Purpose::Conversation, open), Ok(()));
        assert_eq!(gate(Purpose::OptOutReply, open), Ok(()));
        assert_eq!(gate(Purpose::Conversation, out), Err(Barred::OptedOut));
        assert_eq!(gate(Purpose::OptOutReply, out), Ok(()));
        for purpose in [Purpose::Conversation, Purpose::OptOutReply] {
            for opted_out in [false, true] {
                let blocked = gate(purpose, Wishes { opted_out, blocked: true });
                assert!(blocked.is_err(), "{purpose:?}");
            }
        }
    }
}
