//! Extensions: their digits, and the prefix by which a text addresses one.

/// Emergency numbers. An extension may not have these digits, so that a call for help is never connected to a user's
/// phone. They are never dialed.
pub const EMERGENCY: [&str; 5] = ["911", "933", "112", "999", "000"];

/// The reason why digits cannot be an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigits {
    #[error("an extension must have 2 to 6 digits")]
    Shape,
    #[error("an emergency number cannot be an extension")]
    Emergency,
}

/// Checks the digits of a new extension.
pub fn check_digits(digits: &str) -> Result<(), InvalidDigits> {
    if !(2..=6).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidDigits::Shape);
    }
    if EMERGENCY.contains(&digits) {
        return Err(InvalidDigits::Emergency);
    }
    Ok(())
}

/// The extension digits at the beginning of a text: `#101`, `101:` or `#101:`, followed by white space, a letter or the
/// end of the text. So `10:30`, `#1` and `101 Main St` have none.
pub fn prefix_of(body: &str) -> Option<&str> {
    let hashed = body.strip_prefix('#');
    let text = hashed.unwrap_or(body);
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(2..=6).contains(&length) {
        return None;
    }
    let (digits, rest) = text.split_at(length);
    let rest = match (rest.strip_prefix(':'), hashed) {
        (Some(after_colon), _) => after_colon,
        (None, Some(_)) => rest,
        (None, None) => return None,
    };
    rest.chars().next().is_none_or(|c| c.is_whitespace() || c.is_alphabetic()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_have_two_to_six_digits_and_are_not_emergency_numbers() {
        for good in ["10", "101", "123456", "912"] {
            assert_eq!(check_digits(good), Ok(()), "{good}");
        }
        for bad in ["", "1", "1234567", "1a1", "１０１", " 101"] {
            assert_eq!(check_digits(bad), Err(InvalidDigits::Shape), "{bad}");
        }
        for bad in EMERGENCY {
            assert_eq!(check_digits(bad), Err(InvalidDigits::Emergency), "{bad}");
        }
    }

    #[test]
    fn extension_prefixes_are_recognized() {
        for (body, expected) in [
            ("#101", Some("101")),
            ("#101 hello", Some("101")),
            ("#101: hello", Some("101")),
            ("101:hello", Some("101")),
            ("101: ", Some("101")),
            ("101:", Some("101")),
            ("#12é", Some("12")),
            ("10:30", None),
            ("#1", None),
            ("101 Main St", None),
            ("#101-2", None),
            ("#1234567", None),
            ("hello #101", None),
            ("", None),
        ] {
            assert_eq!(prefix_of(body), expected, "{body:?}");
        }
    }
}
