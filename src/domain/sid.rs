//! Twilio's string identifiers (SIDs).

/// Whether a text can be a SID: 1 to 64 letters and digits. Current SIDs have 34 characters.
pub fn is_sid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sids_are_letters_and_digits() {
        assert!(is_sid("CA00000000000000000000000000000001") && is_sid("a"));
        for wrong in ["", "CA 1", "CA/1", "CA1.mp3", "é", &"a".repeat(65)] {
            assert!(!is_sid(wrong), "{wrong}");
        }
    }
}
