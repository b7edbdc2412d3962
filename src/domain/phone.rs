//! Parses phone numbers as people write them.
//!
//! Carriers and API clients send E.164. A directory file or a command line may hold `(303) 555-0177`, which becomes
//! `+13035550177` if the country is known. A number that is already E.164 is never refused: the metadata of the
//! `phonenumber` crate lags behind newly assigned ranges, so it only interprets national notation.

pub use phonenumber::country::Id as Country;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, Type};
use unicode_normalization::UnicodeNormalization as _;

use super::address::{is_contact_address, is_e164};

/// The longest alphanumeric sender ID. Source: Twilio, "Alphanumeric Sender ID".
const MAX_SENDER_CHARS: usize = 11;
/// The lengths of short codes. Sequences of more digits are read as phone numbers. Source: ITU-T E.164, section 6;
/// Twilio, "Short Codes".
const SHORT_CODE_DIGITS: std::ops::RangeInclusive<usize> = 3..=6;

/// The reason why a text is not accepted as a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// The text cannot be a phone number in any country, or in the given country.
    #[error("this is not a phone number; write it with its country code, for example +13035550100")]
    NotANumber,
    /// The number is in national notation, and no country is given.
    #[error("the country of this number is unknown; write it with its country code, for example +13035550100")]
    CountryUnknown,
}

/// The digits of a phone number, and its leading plus if there is one, without the characters that group them.
/// `None` if the text has other characters or no digit.
pub fn compact(text: &str) -> Option<String> {
    // NFKC turns full-width digits and signs into ASCII.
    let text: String = text.nfkc().collect();
    // "+44 (0)20 …" shows the trunk prefix, which is not dialed after a country code.
    let text = if text.trim_start().starts_with('+') { text.replacen("(0)", "", 1) } else { text };
    let compact: String = text.chars().filter(|c| !is_separator(*c)).collect();
    let digits = compact.strip_prefix('+').unwrap_or(&compact);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(compact)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Parses a phone number as a person writes it and returns it in E.164. National notation is interpreted by the rules
/// of `country` and refused if `country` is `None`.
pub fn parse(text: &str, country: Option<Country>) -> Result<String, InvalidPhone> {
    let compact = compact(text).ok_or(InvalidPhone::NotANumber)?;
    if compact.starts_with('+') {
        return is_e164(&compact).then_some(compact).ok_or(InvalidPhone::NotANumber);
    }
    let country = country.ok_or(InvalidPhone::CountryUnknown)?;
    let number = phonenumber::parse(Some(country), &compact).map_err(|_| InvalidPhone::NotANumber)?;
    let e164 = number.format().mode(Mode::E164).to_string();
    let code = number.code().value();
    let length = e164.len().saturating_sub(1 + code.to_string().len());
    (has_numbers_of_length(code, length) && is_e164(&e164)).then_some(e164).ok_or(InvalidPhone::NotANumber)
}

/// Whether numbers of this country code can have `length` digits after it. This detects, for example, a missing area
/// code. Whether the range is assigned is not checked, because new ranges appear before the metadata knows them.
fn has_numbers_of_length(code: u16, length: usize) -> bool {
    let countries = DATABASE.by_code(&code).unwrap_or_default();
    countries.iter().any(|country| {
        let kinds = [Type::FixedLine, Type::Mobile, Type::TollFree, Type::Voip];
        let descriptors = kinds.iter().filter_map(|kind| country.descriptors().get(*kind));
        descriptors.flat_map(|one| one.possible_length()).any(|possible| usize::from(*possible) == length)
    })
}

/// Parses the address of a contact as a person writes it. Short codes (`88222`), alphanumeric senders (`TWILIO`) and
/// channel addresses (`whatsapp:+13035560001`) stay as they are; everything else must be a phone number and is
/// returned in E.164, as by [`parse`].
pub fn contact_address(text: &str, country: Option<Country>) -> Result<String, InvalidPhone> {
    let text = text.trim();
    if is_short_code(text) || is_sender_id(text) || is_channel_address(text) {
        return Ok(text.to_owned());
    }
    parse(text, country)
}

fn is_short_code(text: &str) -> bool {
    SHORT_CODE_DIGITS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_sender_id(text: &str) -> bool {
    text.len() <= MAX_SENDER_CHARS
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'_' | b'&' | b'+'))
        && text.bytes().any(|b| b.is_ascii_alphabetic())
}

fn is_channel_address(text: &str) -> bool {
    let Some((channel, address)) = text.split_once(':') else { return false };
    let is_name = !channel.is_empty() && channel.bytes().all(|b| b.is_ascii_lowercase());
    let is_plain = !address.is_empty() && !address.contains(char::is_whitespace);
    // WhatsApp identifies users by phone number; other channels have their own identifiers.
    let is_phone = channel == "whatsapp" || address.starts_with('+');
    is_contact_address(text) && is_name && is_plain && (!is_phone || is_e164(address))
}

#[cfg(test)]
mod tests {
    use Country::{AU, DE, GB, IT, NO, US};

    use super::*;

    #[test]
    fn numbers_become_e164() {
        for (text, country, expected) in [
            // E.164 is accepted unchanged, even in ranges that the metadata does not know.
            ("+13035550177", None, "+13035550177"),
            ("+61483913619", None, "+61483913619"),
            ("+17375550123", None, "+17375550123"),
            ("+19485550123", None, "+19485550123"),
            ("+19485550123", Some(DE), "+19485550123"),
            // International notation does not depend on the country.
            (" +1 (303) 555-0177 ", None, "+13035550177"),
            ("+44 (0)20 7946 0018", Some(US), "+442079460018"),
            ("+49 30/123456", None, "+4930123456"),
            ("＋４９ ３０ １２３４５６", None, "+4930123456"),
            // National notation depends on the country.
            ("(303) 555-0177", Some(US), "+13035550177"),
            ("303.555.0177", Some(US), "+13035550177"),
            ("303\u{a0}555\u{2011}0177", Some(US), "+13035550177"),
            ("3035550177", Some(US), "+13035550177"),
            ("1 303 555 0177", Some(US), "+13035550177"),
            ("011 49 30 123456", Some(US), "+4930123456"),
            ("030 123456", Some(DE), "+4930123456"),
            ("0049 30 123456", Some(DE), "+4930123456"),
            ("020 7946 0018", Some(GB), "+442079460018"),
            ("0483 913 619", Some(AU), "+61483913619"),
            ("06 698 12345", Some(IT), "+390669812345"),
            ("20 12 34 56", Some(NO), "+4720123456"),
            // A new area code, and an unassigned one.
            ("(948) 555-0123", Some(US), "+19485550123"),
            ("(370) 555-0123", Some(US), "+13705550123"),
        ] {
            assert_eq!(parse(text, country), Ok(expected.to_owned()), "{text} in {country:?}");
        }
    }

    #[test]
    fn incomplete_and_unreadable_numbers_are_refused() {
        for text in [
            "",
            " ",
            "+",
            "555-0177",
            "911",
            "+1",
            "+1303",
            "+0303555017",
            "303 555 01777",
            "+1234567890123456",
            "1-800-FLOWERS",
            "(303) 555-0177 ext. 4",
            "303 555 0177, 303 555 0178",
            "sip:ana@example.com",
            "++13035550177",
        ] {
            assert_eq!(parse(text, Some(US)), Err(InvalidPhone::NotANumber), "{text}");
        }
        assert_eq!(parse("(303) 555-0177", None), Err(InvalidPhone::CountryUnknown));
    }

    #[test]
    fn the_parser_does_not_panic_on_any_digits() {
        for metadata in DATABASE.iter() {
            let Ok(country) = metadata.id().parse::<Country>() else { continue };
            for length in [0, 1, 2, 3, 7, 8, 10, 11, 14, 20] {
                for first in ["", "00", "011", "15"] {
                    for digit in ["0", "1", "9"] {
                        let text = format!("{first}{}", digit.repeat(length));
                        if let Ok(e164) = parse(&text, Some(country)) {
                            assert!(is_e164(&e164), "{text} in {country:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn contacts_may_also_be_short_codes_senders_and_channel_addresses() {
        for kept in
            ["88222", "611", "TWILIO", "Acme Health", "whatsapp:+13035560001", "messenger:1234567890", "rcs:acme_agent"]
        {
            assert_eq!(contact_address(kept, Some(US)), Ok(kept.to_owned()), "{kept}");
        }
        assert_eq!(contact_address("(303) 555-0177", Some(US)), Ok("+13035550177".to_owned()));
        for wrong in [
            "5550177",
            "12",
            "whatsapp:303 555 0177",
            "whatsapp:3035550177",
            "rcs:+1",
            "Acme Health Center",
            ":1",
            "a:",
        ] {
            assert!(contact_address(wrong, Some(US)).is_err(), "{wrong}");
        }
    }
}
