//! What stands in a text's From and To.
//!
//! Most senders are E.164 numbers, some are short codes (`88222`), alphanumeric (`TWILIO`) or of
//! another channel (`whatsapp:+1…`). All are kept and routed as received; only some can be texted.
//! Source: Twilio, "Twilio's request to your incoming message webhook"; ITU-T E.164.

use super::caller_id::is_withheld;

/// The longest address that is kept; what is longer is no address.
pub const MAX_ADDRESS_CHARS: usize = 64;

/// Whether `text` is a number in E.164: a plus, a digit that is not 0, and at most 15 digits.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
    })
}

/// Whether a text can be sent to an address. Names (`TWILIO`) and withheld caller IDs cannot be texted.
pub fn can_be_texted(address: &str) -> bool {
    let plain = address.strip_prefix(WHATSAPP).unwrap_or(address);
    (is_e164(plain) && !is_withheld(plain)) || (plain == address && is_short_code(address))
}

fn is_short_code(address: &str) -> bool {
    (3..=8).contains(&address.len()) && address.bytes().all(|b| b.is_ascii_digit())
}

/// The form of one of our numbers in which it speaks to this address: each channel has its own.
pub fn own_address(number: &str, to: &str) -> String {
    if to.starts_with(WHATSAPP) { format!("{WHATSAPP}{number}") } else { number.to_owned() }
}

const WHATSAPP: &str = "whatsapp:";

/// Whether an address may stand for a contact at all.
pub fn is_contact_address(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_ADDRESS_CHARS && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e164_is_a_plus_and_up_to_fifteen_digits() {
        for good in ["+13035550100", "+4930123456", "+123456789012345"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in ["13035550100", "+03035550100", "+1303555010a", "+", "+1", "+1234567890123456", "88222", ""] {
            assert!(!is_e164(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_and_short_codes_can_be_texted() {
        for good in ["+13035550100", "88222", "whatsapp:+13035550100"] {
            assert!(can_be_texted(good), "{good}");
        }
        for bad in [
            "TWILIO",
            "",
            "12",
            "whatsapp:88222",
            "messenger:+13035550100",
            "anonymous",
            "+266696687",
            "whatsapp:+8656696",
        ] {
            assert!(!can_be_texted(bad), "{bad}");
        }
        assert_eq!(own_address("+13035550100", "whatsapp:+13035560001"), "whatsapp:+13035550100");
        assert_eq!(own_address("+13035550100", "88222"), "+13035550100");
    }

    #[test]
    fn short_codes_names_and_other_channels_are_contacts_too() {
        for good in ["88222", "TWILIO", "whatsapp:+13035550100", "+13035550100"] {
            assert!(is_contact_address(good), "{good}");
        }
        assert!(!is_contact_address(""));
        assert!(!is_contact_address(&"9".repeat(65)));
        assert!(!is_contact_address("+1303\u{0}"));
    }
}
