//! Which numbers may be dialled at all: no emergency number, nothing that costs a premium, and only the
//! countries that an agency allows.

use phonenumber::Type;
use phonenumber::metadata::DATABASE;

use super::address::is_e164;
use super::caller_id::is_withheld;
use super::extension::EMERGENCY;

/// Why a number is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undialled {
    /// It is no telephone number.
    #[error("this is no telephone number; one is written +13035550100")]
    NotANumber,
    /// It calls for help.
    #[error("emergency numbers are not dialled")]
    Emergency,
    /// It costs more than a call.
    #[error("premium numbers are not dialled")]
    Premium,
    /// It is in a country that the agency does not allow.
    #[error("the agency does not allow calls to this country")]
    Country,
}

/// The country of a number, as ISO 3166 names it.
pub fn country_of(e164: &str) -> Option<String> {
    let number = phonenumber::parse(None, e164).ok()?;
    number.country().id().map(|id| format!("{id:?}"))
}

/// Checks a number before it is dialled from `own`, whose country is the one that is allowed unless
/// `allowed` names others.
///
/// # Errors
/// Why it is not dialled.
pub fn check_number(to: &str, own: &str, allowed: Option<&[String]>) -> Result<(), Undialled> {
    let digits = to.trim_start_matches('+');
    if EMERGENCY.contains(&digits) {
        return Err(Undialled::Emergency);
    }
    if !is_e164(to) || is_withheld(to) {
        return Err(Undialled::NotANumber);
    }
    let number = phonenumber::parse(None, to).map_err(|_| Undialled::NotANumber)?;
    // An emergency number behind a country code is one all the same.
    if EMERGENCY.contains(&number.national().to_string().as_str()) {
        return Err(Undialled::Emergency);
    }
    match number.number_type(&DATABASE) {
        Type::PremiumRate | Type::SharedCost => return Err(Undialled::Premium),
        _ => {}
    }
    let country = number.country().id().map(|id| format!("{id:?}"));
    let is_allowed = match (allowed, &country) {
        (_, None) => false,
        (Some(allowed), Some(country)) => allowed.iter().any(|one| one == country),
        (None, country) => country_of(own) == *country,
    };
    if is_allowed { Ok(()) } else { Err(Undialled::Country) }
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
            ("+1303556000", Err(Undialled::Country)),
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
    }
}
