//! Who wants no texts, and the one gate before every text that leaves.
//!
//! Source of the words: Twilio, "Twilio support for opt-out keywords (SMS STOP filtering)";
//! `OptOutType` comes with numbers of a messaging service that has Advanced Opt-Out, and then says it
//! outright.

use super::Purpose;
use super::address::is_toll_free;
use super::folding::{fold, is_hyphen, is_punctuation};

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// No more texts from this agency.
    Stop,
    /// Texts again, by START or UNSTOP.
    Start,
    /// Texts again, by YES, which toll-free numbers do not support.
    Yes,
    /// To be told who this is.
    Help,
}

impl Wish {
    /// Whether the contact wants texts again.
    pub fn opts_in(self) -> bool {
        matches!(self, Self::Start | Self::Yes)
    }

    /// Whether the wish lifts the carrier's block (error 21610) between the contact and `number`, one of the agency's
    /// phone numbers. YES does not lift the block of a toll-free number.
    pub fn lifts_block_of(self, number: &str) -> bool {
        match self {
            Self::Start => true,
            Self::Yes => !is_toll_free(number),
            Self::Stop | Self::Help => false,
        }
    }
}

const STOP: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const START: [&str; 2] = ["START", "UNSTOP"];
const YES: [&str; 1] = ["YES"];
const HELP: [&str; 2] = ["HELP", "INFO"];

/// Reads the wish of a text, if it has one. Twilio's own reading (`OptOutType`) takes precedence.
///
/// A word counts only when it is the whole text. Words that opt out are recognized regardless of case, surrounding
/// punctuation and quotation marks, spaces and hyphens inside, full-width letters, and invisible characters, because the
/// law does not require a particular spelling. Words that opt in and HELP must match exactly, except for case and
/// surrounding white space: consent is not inferred, and "Help!" from a patient is a message to the staff that an
/// automatic reply does not answer.
pub fn wish(body: &str, opt_out_type: Option<&str>) -> Option<Wish> {
    let word = body.trim();
    let is_among = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    match opt_out_type {
        Some("STOP") => Some(Wish::Stop),
        Some("START") if !is_among(&YES) => Some(Wish::Start),
        Some("HELP") => Some(Wish::Help),
        _ if is_stop_word(body) => Some(Wish::Stop),
        _ if is_among(&START) => Some(Wish::Start),
        _ if is_among(&YES) => Some(Wish::Yes),
        _ if is_among(&HELP) => Some(Wish::Help),
        _ => None,
    }
}

fn is_stop_word(body: &str) -> bool {
    let folded = fold(body);
    let word = folded.trim_matches(|c: char| c.is_whitespace() || is_punctuation(c));
    let joined: String = word.chars().filter(|c| !c.is_whitespace() && !is_hyphen(*c)).collect();
    STOP.iter().any(|known| known.eq_ignore_ascii_case(&joined))
}

/// What is known of a contact's wishes when a text is to be queued, or to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// They texted STOP to any number of the agency, and no START since.
    pub opted_out: bool,
    /// The carrier refuses texts from this number to them (error 21610), until they opt in again.
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
    fn a_stop_word_counts_however_it_is_typed_and_only_as_the_whole_text() {
        for body in [
            "STOP",
            " stop \n",
            "stop\r\n",
            "Stop.",
            "STOP!",
            "stop!!!",
            "\"stop\"",
            "\u{201C}Stop\u{201D}",
            "\u{2018}stop\u{2019}",
            "«stop»",
            "「STOP」",
            "(stop)",
            "*STOP*",
            "¡Stop!",
            "Stop…",
            "stop。",
            "— STOP —",
            "OPT OUT",
            "Opt out",
            "opt out.",
            "OPT-OUT",
            "Opt\u{2011}Out",
            "opt \u{2013} out",
            "opt\u{A0}out",
            "opt\nout",
            "STOP ALL",
            "stop-all!",
            "S T O P",
            "ＳＴＯＰ",
            "ｓｔｏｐ．",
            "st\u{200B}op",
            "\u{FEFF}STOP\u{200E}",
            "sto\u{AD}p",
            "Unsubscribe",
            "unsubscribe!",
            "Cancel.",
            "END",
            "'Quit'",
            "revoke",
        ] {
            assert_eq!(wish(body, None), Some(Wish::Stop), "{body:?}");
        }
        for body in [
            "",
            " ",
            "!",
            "\u{200B}",
            "Don't stop, I love these",
            "Don\u{2019}t stop",
            "unstoppable",
            "STOP 12345",
            "Liked \u{201C}Reply STOP to get no more texts.\u{201D}",
            "Liked \u{201C}STOP\u{201D}",
            "please opt out my sister",
            "please stop",
            "stop stop",
            "STOP \u{1F6D1}",
            "Stop \u{1F602}",
            "\u{405}TOP",
            "S.T.O.P",
            "stop_all",
            "the end",
            "END OF STORY",
            "stops",
            "opt in",
        ] {
            assert_eq!(wish(body, None), None, "{body:?}");
        }
    }

    #[test]
    fn words_that_opt_in_and_help_must_match_exactly() {
        for (body, expected) in [
            ("start", Some(Wish::Start)),
            (" START\r\n", Some(Wish::Start)),
            ("Unstop", Some(Wish::Start)),
            ("yes", Some(Wish::Yes)),
            ("Help", Some(Wish::Help)),
            ("info", Some(Wish::Help)),
            ("start!", None),
            ("\"START\"", None),
            ("s t a r t", None),
            ("un-stop", None),
            ("ＳＴＡＲＴ", None),
            ("Yes.", None),
            ("yes please", None),
            ("Help!", None),
            ("help me", None),
            ("Info?", None),
        ] {
            assert_eq!(wish(body, None), expected, "{body:?}");
        }
    }

    #[test]
    fn a_block_is_lifted_by_opting_in_except_that_yes_says_nothing_to_a_toll_free_number() {
        for (wish, local, toll_free) in [
            (Wish::Start, true, true),
            (Wish::Yes, true, false),
            (Wish::Stop, false, false),
            (Wish::Help, false, false),
        ] {
            assert_eq!(wish.lifts_block_of("+13035550100"), local, "{wish:?}");
            assert_eq!(wish.lifts_block_of("+18885550100"), toll_free, "{wish:?}");
        }
    }

    #[test]
    fn twilios_reading_goes_first() {
        assert_eq!(wish("arrêt", Some("STOP")), Some(Wish::Stop));
        assert_eq!(wish("hello", Some("HELP")), Some(Wish::Help));
        assert_eq!(wish("hello", Some("ELSE")), None);
        assert_eq!(wish("encore", Some("START")), Some(Wish::Start));
        assert_eq!(wish("yes", Some("START")), Some(Wish::Yes));
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
