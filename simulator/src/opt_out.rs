//! The opt-out list that Twilio keeps per number and phone.
//! Source: Twilio, "Twilio support for opt-out keywords (SMS STOP filtering)".

use std::collections::HashSet;

/// Bounds the memory of a long-running simulator. Further opt-outs are ignored.
const MAX_PAIRS: usize = 100_000;

/// A keyword that Twilio acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Stop,
    Start,
    Help,
}

const KEYWORDS: [(&str, Keyword); 13] = [
    ("STOP", Keyword::Stop),
    ("STOPALL", Keyword::Stop),
    ("UNSUBSCRIBE", Keyword::Stop),
    ("CANCEL", Keyword::Stop),
    ("END", Keyword::Stop),
    ("QUIT", Keyword::Stop),
    ("REVOKE", Keyword::Stop),
    ("OPTOUT", Keyword::Stop),
    ("START", Keyword::Start),
    ("YES", Keyword::Start),
    ("UNSTOP", Keyword::Start),
    ("HELP", Keyword::Help),
    ("INFO", Keyword::Help),
];

const TOLL_FREE: [&str; 7] = ["+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888"];

impl Keyword {
    /// The keyword that a text to this number consists of. Keywords apply to SMS only, and YES does not apply to
    /// toll-free numbers.
    pub(super) fn parse(number: &str, body: &str) -> Option<Self> {
        let body = body.trim();
        let is_toll_free = TOLL_FREE.iter().any(|prefix| number.starts_with(prefix));
        if !number.starts_with('+') || (is_toll_free && body.eq_ignore_ascii_case("YES")) {
            return None;
        }
        KEYWORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(body)).map(|(_, keyword)| *keyword)
    }

    /// The value of the webhook parameter `OptOutType`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
        }
    }

    /// The text that Twilio sends to the phone.
    pub(super) fn reply(self) -> &'static str {
        match self {
            Self::Stop => {
                "You have successfully been unsubscribed. This number sends you nothing more. Reply START to undo this."
            }
            Self::Start => "You have successfully been re-subscribed. Reply STOP to unsubscribe, HELP for help.",
            Self::Help => "Reply STOP to unsubscribe. Message and data rates may apply.",
        }
    }
}

/// The pairs of a number and a phone that has opted out of its texts.
#[derive(Debug, Default)]
pub(super) struct OptOuts {
    pairs: HashSet<(String, String)>,
}

impl OptOuts {
    pub(super) fn apply(&mut self, keyword: Keyword, number: &str, phone: &str) {
        let pair = (number.to_owned(), phone.to_owned());
        match keyword {
            Keyword::Stop if self.pairs.len() < MAX_PAIRS => drop(self.pairs.insert(pair)),
            Keyword::Start => drop(self.pairs.remove(&pair)),
            Keyword::Stop | Keyword::Help => {}
        }
    }

    pub(super) fn contains(&self, number: &str, phone: &str) -> bool {
        self.pairs.contains(&(number.to_owned(), phone.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_must_be_the_whole_text() {
        let local = |body| Keyword::parse("+13035550100", body);
        assert_eq!(local(" stop\n"), Some(Keyword::Stop));
        assert_eq!(local("Info"), Some(Keyword::Help));
        assert_eq!(local("yes"), Some(Keyword::Start));
        assert_eq!(local("opt out"), None);
        assert_eq!(local("yes please"), None);
        assert_eq!(local(""), None);
        assert_eq!(Keyword::parse("+18885550100", "yes"), None);
        assert_eq!(Keyword::parse("+18885550100", "unstop"), Some(Keyword::Start));
        assert_eq!(Keyword::parse("whatsapp:+13035550100", "stop"), None);
    }

    #[test]
    fn a_pair_is_opted_out_from_stop_to_start() {
        let mut opt_outs = OptOuts::default();
        opt_outs.apply(Keyword::Stop, "+1", "+2");
        opt_outs.apply(Keyword::Help, "+1", "+2");
        assert!(opt_outs.contains("+1", "+2") && !opt_outs.contains("+2", "+1"));
        opt_outs.apply(Keyword::Start, "+1", "+2");
        assert!(!opt_outs.contains("+1", "+2"));
    }
}
