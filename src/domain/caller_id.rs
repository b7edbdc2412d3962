//! Caller IDs: recognizes withheld ones, and chooses the caller ID that users' phones show while they ring.

use super::LegCallerId;
use super::call::is_known_caller;

/// Numbers that carriers send in place of a withheld caller ID. Most of them spell a word on a telephone keypad.
/// Carriers also send the words themselves, which are not numbers and need no list.
/// Source: Twilio's help, article 223179988, "Why am I getting calls from these strange numbers?" (its list, as other
/// projects quote it), and Twilio's changelog of 2022-11-16, "Upcoming changes to withheld caller ID behavior".
const WITHHELD: [&str; 7] = [
    "+266696687",   // ANONYMOUS
    "+7378742833",  // RESTRICTED
    "+7378742883",  // a variant of RESTRICTED
    "+2562533",     // BLOCKED
    "+8656696",     // UNKNOWN
    "+86282452253", // UNAVAILABLE
    "+464",         // listed without an explanation
];

/// The address that is stored for a sender or caller that the carrier does not identify.
pub const NO_ADDRESS: &str = "anonymous";

/// Whether an address that looks like a number is a placeholder for a withheld caller ID. Such an address cannot be
/// called or texted, and it does not identify a contact.
pub fn is_withheld(address: &str) -> bool {
    WITHHELD.contains(&address)
}

/// The caller ID of the legs of an inbound call: the caller's number if the pool shows callers and the number is
/// valid, otherwise the number that was called. Carriers reject a leg that shows an invalid caller ID.
/// Source: Twilio, "Error 13214: Dial: Invalid callerId value".
pub fn leg_caller_id<'a>(setting: LegCallerId, caller: &'a str, called: &'a str) -> &'a str {
    match setting {
        LegCallerId::Caller if is_known_caller(caller) && has_a_possible_length(caller) => caller,
        LegCallerId::Caller | LegCallerId::Number => called,
    }
}

/// Numbers with the country code 1 have ten more digits. Other lengths vary and are not checked.
fn has_a_possible_length(e164: &str) -> bool {
    e164.strip_prefix("+1").is_none_or(|national| national.len() == 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLED: &str = "+13035550100";

    /// Values that a carrier may send instead of the caller's number.
    const HIDDEN: [&str; 21] = [
        "+266696687",
        "+7378742833",
        "+7378742883",
        "+2562533",
        "+8656696",
        "+86282452253",
        "+464",
        "anonymous",
        "Anonymous",
        "ANONYMOUS",
        "Restricted",
        "restricted",
        "unknown",
        "unavailable",
        "private",
        "blocked",
        "",
        "+",
        "sip:someone@example.com",
        "client:someone",
        "3035560001",
    ];

    fn spelled(word: &str) -> String {
        let key = |letter: char| match letter {
            'A'..='C' => '2',
            'D'..='F' => '3',
            'G'..='I' => '4',
            'J'..='L' => '5',
            'M'..='O' => '6',
            'P'..='S' => '7',
            'T'..='V' => '8',
            _ => '9',
        };
        word.chars().map(key).collect()
    }

    #[test]
    fn the_listed_numbers_spell_words_on_a_keypad() {
        for word in ["ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN", "UNAVAILABLE"] {
            assert!(is_withheld(&format!("+{}", spelled(word))), "{word}");
        }
    }

    #[test]
    fn withheld_and_invalid_caller_ids_are_not_known() {
        for from in HIDDEN {
            assert!(!is_known_caller(from), "{from}");
        }
        for from in ["+13035560001", "+4930123456", "+17378742833"] {
            assert!(is_known_caller(from), "{from}");
        }
    }

    #[test]
    fn legs_show_the_caller_only_where_the_pool_says_so_and_the_number_is_valid() {
        use LegCallerId::{Caller, Number};
        for from in HIDDEN {
            assert_eq!(leg_caller_id(Caller, from, CALLED), CALLED, "{from}");
        }
        for (setting, from, expected) in [
            (Caller, "+13035560001", "+13035560001"),
            (Caller, "+4930123456", "+4930123456"),
            (Number, "+13035560001", CALLED),
            (Caller, "+15550123", CALLED),
            (Caller, "+130355600011", CALLED),
            (Caller, "+1303556000a", CALLED),
        ] {
            assert_eq!(leg_caller_id(setting, from, CALLED), expected, "{setting:?} {from}");
        }
    }
}
