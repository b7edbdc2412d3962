//! Addresses in the From and To of a text.
//!
//! Most are E.164 numbers; others are short codes (`88222`), alphanumeric sender IDs (`TWILIO`) or belong to another
//! channel (`whatsapp:+1…`). All are stored and routed as received, but only some can be texted.
//! Source: Twilio, "Twilio's request to your incoming message webhook"; ITU-T E.164.

use super::caller_id::is_withheld;

/// The longest address that is accepted, in characters.
pub const MAX_ADDRESS_CHARS: usize = 64;

/// Whether `text` is a number in E.164: a plus, a digit that is not 0, and at most 15 digits.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
    })
}

/// Prefixes of the channels other than SMS. Twilio puts them on both addresses of a message.
const CHANNELS: [&str; 2] = ["whatsapp:", "rcs:"];

/// Strips the channel prefix from an address, so that the phone number can be looked up.
pub fn without_channel(address: &str) -> &str {
    split_channel(address).1
}

/// Splits an address into its channel prefix, empty for SMS, and the rest.
fn split_channel(address: &str) -> (&str, &str) {
    let length = CHANNELS.iter().find(|prefix| address.starts_with(**prefix)).map_or(0, |prefix| prefix.len());
    address.split_at(length)
}

/// Whether a text can be sent to an address. Alphanumeric sender IDs (`TWILIO`) and withheld caller IDs cannot be
/// texted.
pub fn can_be_texted(address: &str) -> bool {
    let (channel, plain) = split_channel(address);
    (is_e164(plain) && !is_withheld(plain)) || (channel.is_empty() && is_short_code(address))
}

fn is_short_code(address: &str) -> bool {
    (3..=8).contains(&address.len()) && address.bytes().all(|b| b.is_ascii_digit())
}

/// Whether this is a toll-free number of the North American Numbering Plan, the only toll-free numbers on which Twilio
/// supports SMS.
pub fn is_toll_free(e164: &str) -> bool {
    ["+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888"].iter().any(|prefix| e164.starts_with(prefix))
}

/// The sender address of the agency's `number` for texts to `to`, with the channel prefix of `to`.
pub fn own_address(number: &str, to: &str) -> String {
    format!("{}{number}", split_channel(to).0)
}

/// Whether an address can identify a contact.
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
        for good in ["+13035550100", "88222", "whatsapp:+13035550100", "rcs:+13035550100"] {
            assert!(can_be_texted(good), "{good}");
        }
        for bad in [
            "TWILIO",
            "",
            "12",
            "whatsapp:88222",
            "rcs:acme",
            "messenger:+13035550100",
            "whatsapp:whatsapp:+13035550100",
            "anonymous",
            "+266696687",
            "whatsapp:+8656696",
        ] {
            assert!(!can_be_texted(bad), "{bad}");
        }
        assert_eq!(own_address("+13035550100", "whatsapp:+13035560001"), "whatsapp:+13035550100");
        assert_eq!(own_address("+13035550100", "rcs:+13035560001"), "rcs:+13035550100");
        assert_eq!(own_address("+13035550100", "88222"), "+13035550100");
    }

    #[test]
    fn the_channel_prefix_is_stripped_once() {
        for (address, plain) in [
            ("whatsapp:+13035550100", "+13035550100"),
            ("rcs:+13035550100", "+13035550100"),
            ("rcs:acme_agent", "acme_agent"),
            ("whatsapp:", ""),
            ("whatsapp:rcs:+1", "rcs:+1"),
            ("WhatsApp:+13035550100", "WhatsApp:+13035550100"),
            ("messenger:123", "messenger:123"),
            ("+13035550100", "+13035550100"),
            ("", ""),
        ] {
            assert_eq!(without_channel(address), plain, "{address}");
        }
    }

    #[test]
    fn toll_free_numbers_are_recognized_by_their_prefix() {
        assert!(is_toll_free("+18005550100") && is_toll_free("+18885550100"));
        assert!(!is_toll_free("+18085550100") && !is_toll_free("+13035550100") && !is_toll_free("+448005550100"));
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
