//! Twilio's names for things.

/// Whether this can be a name that Twilio gives: letters and digits, and not many; today's have 34.
pub fn is_sid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_and_digits() {
        assert!(is_sid("CA00000000000000000000000000000001") && is_sid("a"));
        for wrong in ["", "CA 1", "CA/1", "CA1.mp3", "é", &"a".repeat(65)] {
            assert!(!is_sid(wrong), "{wrong}");
        }
    }
}
