//! Caller IDs that the carriers of the called phones accept. They reject calls with any other caller ID.
//! Source: Twilio, "Error 13214: Dial: Invalid callerId value".

/// Words that carriers spell on a telephone keypad in place of a withheld caller ID.
const WITHHELD: [&str; 5] = ["ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN", "UNAVAILABLE"];
/// The letters of the keys from 2 to 9.
const KEYS: [&str; 8] = ["ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"];

pub(super) fn is_accepted(caller_id: &str) -> bool {
    let Some(digits) = caller_id.strip_prefix('+') else { return false };
    let has_a_possible_length = match digits.strip_prefix('1') {
        Some(national) => national.len() == 10,
        None => (7..=15).contains(&digits.len()),
    };
    has_a_possible_length
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !WITHHELD.iter().any(|word| spells(digits, word))
}

fn spells(digits: &str, word: &str) -> bool {
    let key_of = |letter: char| (2..).zip(KEYS).find(|(_, letters)| letters.contains(letter)).map(|(key, _)| key);
    digits.chars().map(|digit| digit.to_digit(10)).eq(word.chars().map(key_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_accepted_and_withheld_caller_ids_are_not() {
        for accepted in ["+13035550100", "+4930123456", "+17378742833"] {
            assert!(is_accepted(accepted), "{accepted}");
        }
        for rejected in
            ["+266696687", "+86282452253", "+8656696", "anonymous", "", "sip:a@b", "+15550123", "+1303555010a"]
        {
            assert!(!is_accepted(rejected), "{rejected}");
        }
    }
}
