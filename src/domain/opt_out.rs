//! Which texts are a STOP or a START. Words count only when they are the whole text.
//!
//! Source: Twilio, "Twilio support for opt-out keywords (SMS STOP filtering)"; `OptOutType` comes
//! with numbers of a messaging service that has Advanced Opt-Out, and then says it outright.

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// No more texts from this agency.
    Stop,
    /// Texts again.
    Start,
}

const STOP: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const START: [&str; 3] = ["START", "YES", "UNSTOP"];

/// Reads the wish of a text, if it has one. Twilio's own reading (`OptOutType`) goes first.
pub fn wish(body: &str, opt_out_type: Option<&str>) -> Option<Wish> {
    match opt_out_type {
        Some("STOP") => return Some(Wish::Stop),
        Some("START") => return Some(Wish::Start),
        _ => {}
    }
    let word = body.trim();
    let among = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    if among(&STOP) {
        Some(Wish::Stop)
    } else if among(&START) {
        Some(Wish::Start)
    } else {
        None
    }
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
            ("please stop", None),
            ("stop.", None),
            ("", None),
        ] {
            assert_eq!(wish(body, None), expected, "{body:?}");
        }
    }

    #[test]
    fn twilios_reading_goes_first() {
        assert_eq!(wish("arrêt", Some("STOP")), Some(Wish::Stop));
        assert_eq!(wish("hello", Some("HELP")), None);
    }
}
