//! Opt-out keywords, and the gate that every outbound text passes.
//!
//! Source of the keywords: Twilio, "Twilio support for opt-out keywords (SMS STOP filtering)". Numbers of a messaging
//! service with Advanced Opt-Out also send `OptOutType`, which is Twilio's own classification of the text.

use super::Purpose;
use super::address::is_toll_free;
use super::folding::{fold, is_hyphen, is_punctuation};

/// The request that an opt-out keyword expresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptOutKeyword {
    /// To receive no more texts from this agency.
    Stop,
    /// To receive texts again, by START or UNSTOP.
    Start,
    /// To receive texts again, by YES, which toll-free numbers do not support.
    Yes,
    /// To learn who sends the texts.
    Help,
}

impl OptOutKeyword {
    pub fn opts_in(self) -> bool {
        matches!(self, Self::Start | Self::Yes)
    }

    /// Whether the keyword lifts the carrier's block (error 21610) between the contact and `number`, one of the
    /// agency's phone numbers. YES does not lift the block of a toll-free number.
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

/// Parses the keyword of a text; `None` if the text is not a keyword. Twilio's own classification (`OptOutType`) takes
/// precedence.
///
/// A word counts only when it is the whole text. Words that opt out are recognized regardless of case, surrounding
/// punctuation and quotation marks, spaces and hyphens inside, full-width letters, and invisible characters, because
/// the law does not require a particular spelling. Words that opt in and HELP must match exactly, except for case and
/// surrounding white space: consent is not inferred, and "Help!" from a patient is a message to the staff that an
/// automatic reply does not answer.
pub fn keyword(body: &str, opt_out_type: Option<&str>) -> Option<OptOutKeyword> {
    let word = body.trim();
    let is_among = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    match opt_out_type {
        Some("STOP") => Some(OptOutKeyword::Stop),
        Some("START") if !is_among(&YES) => Some(OptOutKeyword::Start),
        Some("HELP") => Some(OptOutKeyword::Help),
        _ if is_stop_word(body) => Some(OptOutKeyword::Stop),
        _ if is_among(&START) => Some(OptOutKeyword::Start),
        _ if is_among(&YES) => Some(OptOutKeyword::Yes),
        _ if is_among(&HELP) => Some(OptOutKeyword::Help),
        _ => None,
    }
}

fn is_stop_word(body: &str) -> bool {
    let folded = fold(body);
    let word = folded.trim_matches(|c: char| c.is_whitespace() || is_punctuation(c));
    let joined: String = word.chars().filter(|c| !c.is_whitespace() && !is_hyphen(*c)).collect();
    STOP.iter().any(|known| known.eq_ignore_ascii_case(&joined))
}

/// The opt-out state of a contact and a number when a text is queued or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptOutState {
    /// The contact texted STOP to any number of the agency and has not opted in since.
    pub opted_out: bool,
    /// The carrier refuses texts from this number to the contact (error 21610) until the contact opts in again.
    pub blocked: bool,
}

/// The reason why a text must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateRefusal {
    /// The contact opted out of the agency's texts.
    OptedOut,
    /// The carrier blocks this number for the contact.
    Blocked,
}

/// Proof that a text may be queued or sent. Only [`gate`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Cleared {
    purpose: Purpose,
}

impl Cleared {
    /// The purpose for which the text may be sent.
    pub fn purpose(self) -> Purpose {
        self.purpose
    }
}

/// Decides whether a text may be sent. It is called when a text is queued and again, under the agency's lock, in the
/// transaction that commits the attempt to send it, so that no text is sent after a STOP.
pub fn gate(purpose: Purpose, state: OptOutState) -> Result<Cleared, GateRefusal> {
    match purpose {
        _ if state.blocked => Err(GateRefusal::Blocked),
        // The reply to a STOP or a HELP is the only text that may go to a contact who opted out.
        Purpose::OptOutReply => Ok(Cleared { purpose }),
        Purpose::Conversation | Purpose::MissedCall if state.opted_out => Err(GateRefusal::OptedOut),
        Purpose::Conversation | Purpose::MissedCall => Ok(Cleared { purpose }),
    }
}

/// The default reply to a STOP.
pub fn stop_reply(agency: &str) -> String {
    format!("{agency}: you will get no more texts from us. Reply START to get them again.")
}

/// The default reply to a HELP.
pub fn help_reply(agency: &str) -> String {
    format!("{agency}: reply here and our staff will answer. Reply STOP to get no more texts.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_word_is_recognized_in_any_spelling_but_only_as_the_whole_text() {
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
            assert_eq!(keyword(body, None), Some(OptOutKeyword::Stop), "{body:?}");
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
            assert_eq!(keyword(body, None), None, "{body:?}");
        }
    }

    #[test]
    fn words_that_opt_in_and_help_must_match_exactly() {
        for (body, expected) in [
            ("start", Some(OptOutKeyword::Start)),
            (" START\r\n", Some(OptOutKeyword::Start)),
            ("Unstop", Some(OptOutKeyword::Start)),
            ("yes", Some(OptOutKeyword::Yes)),
            ("Help", Some(OptOutKeyword::Help)),
            ("info", Some(OptOutKeyword::Help)),
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
            assert_eq!(keyword(body, None), expected, "{body:?}");
        }
    }

    #[test]
    fn opting_in_lifts_a_block_except_that_yes_does_not_for_toll_free_numbers() {
        for (keyword, local, toll_free) in [
            (OptOutKeyword::Start, true, true),
            (OptOutKeyword::Yes, true, false),
            (OptOutKeyword::Stop, false, false),
            (OptOutKeyword::Help, false, false),
        ] {
            assert_eq!(keyword.lifts_block_of("+13035550100"), local, "{keyword:?}");
            assert_eq!(keyword.lifts_block_of("+18885550100"), toll_free, "{keyword:?}");
        }
    }

    #[test]
    fn twilios_classification_takes_precedence() {
        assert_eq!(keyword("arrêt", Some("STOP")), Some(OptOutKeyword::Stop));
        assert_eq!(keyword("hello", Some("HELP")), Some(OptOutKeyword::Help));
        assert_eq!(keyword("hello", Some("ELSE")), None);
        assert_eq!(keyword("encore", Some("START")), Some(OptOutKeyword::Start));
        assert_eq!(keyword("yes", Some("START")), Some(OptOutKeyword::Yes));
    }

    #[test]
    fn the_gate_refuses_opted_out_and_blocked_contacts() {
        let (open, out) =
            (OptOutState { opted_out: false, blocked: false }, OptOutState { opted_out: true, blocked: false });
        assert!(gate(Purpose::Conversation, open).is_ok());
        assert!(gate(Purpose::OptOutReply, open).is_ok());
        assert_eq!(gate(Purpose::Conversation, out), Err(GateRefusal::OptedOut));
        assert!(gate(Purpose::OptOutReply, out).is_ok());
        for purpose in [Purpose::Conversation, Purpose::OptOutReply] {
            for opted_out in [false, true] {
                let blocked = gate(purpose, OptOutState { opted_out, blocked: true });
                assert!(blocked.is_err(), "{purpose:?}");
            }
        }
    }
}
