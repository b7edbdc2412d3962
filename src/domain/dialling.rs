//! Which numbers may be called and texted at all: no emergency number, nothing that costs a premium, and only the
//! countries that an agency allows.

use phonenumber::metadata::DATABASE;
use phonenumber::{PhoneNumber, Type};

use super::address::is_e164;
use super::caller_id::is_withheld;
use super::extension::EMERGENCY;
use super::phone::Country;

/// Why a number is neither called nor texted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undialled {
    /// It is no telephone number.
    #[error("this is not a complete telephone number, such as +13035550100")]
    NotANumber,
    /// It calls for help.
    #[error("emergency numbers are neither called nor texted")]
    Emergency,
    /// It costs more than a call.
    #[error("premium-rate numbers are neither called nor texted")]
    Premium,
    /// It is a personal, pager or universal access number: calls to it can cost as much as those to premium numbers.
    #[error("personal, pager and universal access numbers are neither called nor texted")]
    Special,
    /// It is in a country that the agency does not allow.
    #[error("the agency neither calls nor texts numbers in this country")]
    Country,
}

/// The country of a number. A number in a range that the metadata does not know yet is judged by its country code
/// alone; if several countries share the code, it counts for the main one (`US` for `+1`).
pub fn country_of(e164: &str) -> Option<Country> {
    phonenumber::parse(None, e164).ok().and_then(|number| countries_of(&number).first().copied())
}

/// The countries to which a number may belong: one, or all that share its country code if the metadata does not know
/// its range. None for codes that are not a country's, such as `+800`.
fn countries_of(number: &PhoneNumber) -> Vec<Country> {
    match number.country().id() {
        Some(country) => vec![country],
        // The main country of the code is the first.
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

/// Checks a number before it is dialled from `own`, whose country is the one that is allowed unless
/// `allowed` names others. A number in a range that the metadata does not know yet is allowed if one of the countries
/// that share its country code is.
///
/// # Errors
/// Why it is not dialled.
pub fn check_number(to: &str, own: &str, allowed: Option<&[String]>) -> Result<(), Undialled> {
    let digits = to.trim_start_matches('+');
    if EMERGENCY.contains(&digits) {
        return Err(Undialled::Emergency);
    }
    if !is_e164(to) || is_withheld(to) || is_incomplete(to) {
        return Err(Undialled::NotANumber);
    }
    // Every country code that is in use can be parsed.
    let number = phonenumber::parse(None, to).map_err(|_| Undialled::Country)?;
    // An emergency number behind a country code is one all the same.
    if EMERGENCY.contains(&number.national().to_string().as_str()) {
        return Err(Undialled::Emergency);
    }
    match number.number_type(&DATABASE) {
        Type::PremiumRate | Type::SharedCost => return Err(Undialled::Premium),
        Type::PersonalNumber | Type::Pager | Type::Uan => return Err(Undialled::Special),
        _ => {}
    }
    let own = country_of(own);
    let is_allowed = |country: &Country| match allowed {
        Some(allowed) => allowed.iter().any(|name| name == country.as_ref()),
        None => own == Some(*country),
    };
    if countries_of(&number).iter().any(is_allowed) { Ok(()) } else { Err(Undialled::Country) }
}

/// Checks the recipient of a text from `own`. A short code is in no country of its own, so it texts any country unless
/// `allowed` names some.
///
/// # Errors
/// Why the text is not sent.
pub fn check_recipient(to: &str, own: &str, allowed: Option<&[String]>) -> Result<(), Undialled> {
    match check_number(to, own, allowed) {
        Err(Undialled::Country) if allowed.is_none() && !is_e164(own) => Ok(()),
        checked => checked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dialled_and_what_is_not() {
        let own = "+13035550100";
        for (to, expected) in [
            ("+13035560001", Ok(())),
            ("+12125550123", Ok(())),
            ("+19005550123", Err(Undialled::Premium)),
            ("+14165550123", Err(Undialled::Country)),
            ("+18765550123", Err(Undialled::Country)),
            ("+4930123456", Err(Undialled::Country)),
            ("911", Err(Undialled::Emergency)),
            ("+911", Err(Undialled::Emergency)),
            ("112", Err(Undialled::Emergency)),
            ("101", Err(Undialled::NotANumber)),
            ("3035560001", Err(Undialled::NotANumber)),
            ("+1303556000", Err(Undialled::NotANumber)),
            ("+130355600011", Err(Undialled::NotANumber)),
            ("+2101234567", Err(Undialled::Country)),
            ("+80012345678", Err(Undialled::Country)),
            ("sip:a@b", Err(Undialled::NotANumber)),
            ("+86282452253", Err(Undialled::NotANumber)),
        ] {
            assert_eq!(check_number(to, own, None), expected, "{to}");
        }
        let allowed = ["DE".to_owned(), "CA".to_owned()];
        assert_eq!(check_number("+4930123456", own, Some(&allowed)), Ok(()));
        assert_eq!(check_number("+14165550123", own, Some(&allowed)), Ok(()));
        assert_eq!(check_number("+13035560001", own, Some(&allowed)), Err(Undialled::Country));
        assert_eq!(check_number("+499001234567", own, Some(&allowed)), Err(Undialled::Premium));
        let british = ["GB".to_owned()];
        assert_eq!(check_number("+442071838750", own, Some(&british)), Ok(()));
        // Personal (70), pager (76) and universal access (55) numbers.
        for to in ["+447012345678", "+447640123456", "+445512345678"] {
            assert_eq!(check_number(to, own, Some(&british)), Err(Undialled::Special), "{to}");
        }
    }

    #[test]
    fn texts_go_where_the_agency_would_call() {
        for (to, own, allowed, expected) in [
            ("+13035560001", "+13035550100", None, Ok(())),
            ("+4930123456", "+13035550100", None, Err(Undialled::Country)),
            ("+881612345678", "+13035550100", None, Err(Undialled::Country)),
            ("+13035560001", "88222", None, Ok(())),
            ("+19005550123", "88222", None, Err(Undialled::Premium)),
            ("+4930123456", "88222", Some(["US".to_owned()]), Err(Undialled::Country)),
        ] {
            let allowed = allowed.as_ref().map(<[String; 1]>::as_slice);
            assert_eq!(check_recipient(to, own, allowed), expected, "{to} from {own}");
        }
    }

    #[test]
    fn numbers_of_ranges_that_the_metadata_does_not_know_are_judged_by_their_country_code() {
        let (us, au, ca, de) = ("+13035550100", "+61255500100", "+14165550100", "+4930123456");
        let countries = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (to, own, allowed, expected) in [
            ("+61483913619", au, None, Ok(())),
            ("+61483913619", us, None, Err(Undialled::Country)),
            ("+61483913619", us, countries(&["AU"]), Ok(())),
            ("+17375550123", us, None, Ok(())),
            ("+17375550123", de, None, Err(Undialled::Country)),
            ("+17375550123", de, countries(&["US"]), Ok(())),
            ("+19485550123", us, None, Ok(())),
            ("+19485550123", ca, None, Err(Undialled::Country)),
            // No country has this area code yet, so it may be any that shares +1.
            ("+13705550123", us, None, Ok(())),
            ("+13705550123", ca, None, Ok(())),
            ("+13705550123", de, countries(&["US", "DE"]), Ok(())),
            ("+13705550123", de, None, Err(Undialled::Country)),
            // An own number of such a range counts for the main country of its code.
            (us, "+13705550123", None, Ok(())),
            ("+18765550123", "+13705550123", None, Err(Undialled::Country)),
            ("+19005550123", "+13705550123", None, Err(Undialled::Premium)),
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
