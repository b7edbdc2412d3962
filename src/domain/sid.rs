//! Twilio's string identifiers (SIDs).

/// Whether a text can be a SID: 1 to 64 letters and digits. Current SIDs have 34 characters.
pub fn is_sid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The SID that the path of a URL ends with, without an extension. URLs from outside are only read for this, never
/// requested.
pub fn sid_in_url(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next()?;
    path.rsplit('/').next()?.split('.').next().filter(|sid| is_sid(sid))
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

    #[test]
    fn a_url_ends_with_a_sid() {
        for (url, expected) in [
            ("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1", Some("ME1")),
            ("https://elsewhere.example/RE77.mp3?x=/y#/z", Some("RE77")),
            ("ME1", Some("ME1")),
            ("https://api.twilio.com/", None),
            ("https://api.twilio.com/..", None),
            ("https://api.twilio.com/ME%2F1", None),
            ("", None),
        ] {
            assert_eq!(sid_in_url(url), expected, "{url}");
        }
    }
}
