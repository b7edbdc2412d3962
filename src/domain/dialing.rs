//! Decides which numbers may be called and texted: no emergency or premium-rate numbers, and only the countries that
//! the agency allows.

use phonenumber::metadata::DATABASE;
use phonenumber::{PhoneNumber, Type};

use super::address::is_e164;
use super::caller_id::is_withheld;
use super::extension::EMERGENCY;
use super::phone::Country;

/// The reason why a number may be neither called nor texted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisallowedNumber {
    #[error("this is not a complete phone number; write it with its country code, for example +13035550100")]
    NotANumber,
    #[error("emergency numbers cannot be called or texted")]
    Emergency,
    /// The number is premium-rate or shared-cost.
    #[error("premium-rate numbers cannot be called or texted")]
    Premium,
    /// The number is a personal, pager or universal access number. Calls to these can cost as much as premium-rate
    /// calls.
    #[error("personal, pager and universal access numbers cannot be called or texted")]
    Special,
    #[error("the agency does not allow calls and texts to this country")]
    Country,
}

/// The country of a number. A number in a range that the metadata does not know yet belongs to the country of its
/// country code; if several countries share the code, to the main one (`US` for `+1`).
pub fn country_of(e164: &str) -> Option<Country> {
    phonenumber::parse(None, e164).ok().and_then(|number| countries_of(&number).first().copied())
}

/// The countries to which a number may belong: one, or all that share its country code if the metadata does not know
/// its range. Empty for codes that do not belong to a country, such as `+800`.
fn countries_of(number: &PhoneNumber) -> Vec<Country> {
    match number.country().id() {
        Some(country) => vec![country],
        // The first country is the main one of the code.
        None => DATABASE
            .region(&number.code().value())
            .map(|regions| regions.iter().filter_map(|region| region.parse().ok()).collect())
            .unwrap_or_default(),
    }
}

/// North American numbers have ten digits after the country code. Source: NANPA, "Numbering plan".
fn is_incomplete(e164: &str) -> bool {
    e164.strip_prefix("+1").is_some_and(|national| national.len() != 10)
}

/// Checks a number before it is dialed from `own`. The country must be one of `allowed`, or that of `own` if `allowed`
/// is `None`. A number in a range that the metadata does not know yet is allowed if one of the countries that share its
/// country code is allowed.
pub fn check_number(to: &str, own: &str, allowed: Option<&[String]>) -> Result<(), DisallowedNumber> {
    let digits = to.trim_start_matches('+');
    if EMERGENCY.contains(&digits) {
        return Err(DisallowedNumber::Emergency);
    }
    if !is_e164(to) || is_withheld(to) || is_incomplete(to) {
        return Err(DisallowedNumber::NotANumber);
    }
    // The parser knows every assigned country code.
    let number = phonenumber::parse(None, to).map_err(|_| DisallowedNumber::Country)?;
    // An emergency number with a country code is refused too.
    if EMERGENCY.contains(&number.national().to_string().as_str()) {
        return Err(DisallowedNumber::Emergency);
    }
    match number.number_type(&DATABASE) {
        Type::PremiumRate | Type::SharedCost => return Err(DisallowedNumber::Premium),
        Type::PersonalNumber | Type::Pager | Type::Uan => return Err(DisallowedNumber::Special),
        _ => {}
    }
    let own = country_of(own);
    let is_allowed = |country: &Country| match allowed {
        Some(allowed) => allowed.iter().any(|name| name == country.as_ref()),
        None => own == Some(*country),
    };
    if countries_of(&number).iter().any(is_allowed) { Ok(()) } else { Err(DisallowedNumber::Country) }
}

/// Checks the recipient of a text from `own`, as [`check_number`] does. A short code has no country, so it may text any
/// country if `allowed` is `None`.
pub fn check_recipient(to: &str, own: &str, allowed: Option<&[String]>) -> Result<(), DisallowedNumber> {
    match check_number(to, own, allowed) {
        Err(DisallowedNumber::Country) if allowed.is_none() && !is_e164(own) => Ok(()),
        checked => checked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_standard_numbers_of_allowed_countries_are_dialed() {
        let own = "+13035550100";
        for (to, expected) in [
            ("+13035560001", Ok(())),
            ("+12125550123", Ok(())),
            ("+19005550123", Err(DisallowedNumber::Premium)),
            ("+14165550123", Err(DisallowedNumber::Country)),
            ("+18765550123", Err(DisallowedNumber::Country)),
            ("+4930123456", Err(DisallowedNumber::Country)),
            ("911", Err(DisallowedNumber::Emergency)),
            ("+911", Err(DisallowedNumber::Emergency)),
            ("112", Err(DisallowedNumber::Emergency)),
            ("101", Err(DisallowedNumber::NotANumber)),
            ("3035560001", Err(DisallowedNumber::NotANumber)),
            ("+1303556000", Err(DisallowedNumber::NotANumber)),
            ("+130355600011", Err(DisallowedNumber::NotANumber)),
            ("+2101234567", Err(DisallowedNumber::Country)),
            ("+80012345678", Err(DisallowedNumber::Country)),
            ("sip:a@b", Err(DisallowedNumber::NotANumber)),
            ("+86282452253", Err(DisallowedNumber::NotANumber)),
        ] {
            assert_eq!(check_number(to, own, None), expected, "{to}");
        }
        let allowed = ["DE".to_owned(), "CA".to_owned()];
        assert_eq!(check_number("+4930123456", own, Some(&allowed)), Ok(()));
        assert_eq!(check_number("+14165550123", own, Some(&allowed)), Ok(()));
        assert_eq!(check_number("+13035560001", own, Some(&allowed)), Err(DisallowedNumber::Country));
        assert_eq!(check_number("+499001234567", own, Some(&allowed)), Err(DisallowedNumber::Premium));
        let british = ["GB".to_owned()];
        assert_eq!(check_number("+442071838750", own, Some(&british)), Ok(()));
        // Personal (70), pager (76) and universal access (55) numbers.
        for to in ["+447012345678", "+447640123456", "+445512345678"] {
            assert_eq!(check_number(to, own, Some(&british)), Err(DisallowedNumber::Special), "{to}");
        }
    }

    #[test]
    fn recipients_are_checked_like_dialed_numbers_except_from_short_codes() {
        for (to, own, allowed, expected) in [
            ("+13035560001", "+13035550100", None, Ok(())),
            ("+4930123456", "+13035550100", None, Err(DisallowedNumber::Country)),
            ("+881612345678", "+13035550100", None, Err(DisallowedNumber::Country)),
            ("+13035560001", "88222", None, Ok(())),
            ("+19005550123", "88222", None, Err(DisallowedNumber::Premium)),
            ("+4930123456", "88222", Some(["US".to_owned()]), Err(DisallowedNumber::Country)),
        ] {
            let allowed = allowed.as_ref().map(<[String; 1]>::as_slice);
            assert_eq!(check_recipient(to, own, allowed), expected, "{to} from {own}");
        }
    }

    #[test]
    fn numbers_in_unknown_ranges_are_checked_by_their_country_code() {
        let (us, au, ca, de) = ("+13035550100", "+61255500100", "+14165550100", "+4930123456");
        let countries = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (to, own, allowed, expected) in [
            ("+61483913619", au, None, Ok(())),
            ("+61483913619", us, None, Err(DisallowedNumber::Country)),
            ("+61483913619", us, countries(&["AU"]), Ok(())),
            ("+17375550123", us, None, Ok(())),
            ("+17375550123", de, None, Err(DisallowedNumber::Country)),
            ("+17375550123", de, countries(&["US"]), Ok(())),
            ("+19485550123", us, None, Ok(())),
            ("+19485550123", ca, None, Err(DisallowedNumber::Country)),
            // This area code is unassigned, so it may belong to any country that shares +1.
            ("+13705550123", us, None, Ok(())),
            ("+13705550123", ca, None, Ok(())),
            ("+13705550123", de, countries(&["US", "DE"]), Ok(())),
            ("+13705550123", de, None, Err(DisallowedNumber::Country)),
            // An own number in such a range belongs to the main country of its code.
            (us, "+13705550123", None, Ok(())),
            ("+18765550123", "+13705550123", None, Err(DisallowedNumber::Country)),
            ("+19005550123", "+13705550123", None, Err(DisallowedNumber::Premium)),
        ] {
            assert_eq!(check_number(to, own, allowed.as_deref()), expected, "{to} from {own}, {allowed:?}");
        }
        for (e164, country) in [
            ("+13035550100", Some(Country::US)),
            ("+14165550123", Some(Country::CA)),
            ("+19485550123", Some(Country::US)),
            ("+13705550123", Some(Country::US)),
            ("+61483913619", Some(Country::AU)),
            ("+80012345678", None),
            ("+2101234567", None),
        ] {
            assert_eq!(country_of(e164), country, "{e164}");
        }
    }
}
