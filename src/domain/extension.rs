//! Extensions: which digits one may have, and how a text names one.

/// Numbers that call for help. No extension may equal one, so that nobody who means to reach
/// help is ever answered by a colleague's phone; and none is ever dialled.
pub const EMERGENCY: [&str; 5] = ["911", "933", "112", "999", "000"];

/// Why digits cannot be an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigits {
    /// Not 2 to 6 digits.
    #[error("an extension has 2 to 6 digits")]
    Shape,
    /// An emergency number.
    #[error("an emergency number cannot be an extension")]
    Emergency,
}

/// Checks digits for a new extension.
///
/// # Errors
/// What is wrong with them.
pub fn check_digits(digits: &str) -> Result<(), InvalidDigits> {
    if !(2..=6).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidDigits::Shape);
    }
    if EMERGENCY.contains(&digits) {
        return Err(InvalidDigits::Emergency);
    }
    Ok(())
}

/// The digits that a text names at its beginning: `#101` or `101:`, `#101:` too, followed by white
/// space, a letter or the end. So neither `10:30` nor `#1` nor `101 Main St` names one.
pub fn named_in(body: &str) -> Option<&str> {
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
    fn two_to_six_digits_and_no_emergency_number() {
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
    fn what_names_an_extension() {
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
            assert_eq!(named_in(body), expected, "{body:?}");
        }
    }
}
