//! Text search by names and phone numbers, the same on every database.
//!
//! Databases disagree about case: SQLite lowers ASCII only, and what MariaDB and PostgreSQL lower depends on their
//! collation and locale. So names are stored a second time in a search form, a search text is brought into the same
//! form, and the database compares bytes.

use unicode_normalization::UnicodeNormalization as _;

use super::phone::compact;

/// The least number of digits for which a leading 0 is interpreted as the trunk prefix of national notation.
const NATIONAL_DIGITS: usize = 7;

/// The search form of a name or of a search text. Texts that differ only in letter case or in how Unicode composes
/// their characters have the same form: `ÉLODIE` and `élodie`, `é` as one code point and as two, `STRASSE` and
/// `Straße`, `ﬁ` and `fi`. The Turkish letters `İ` and `ı` are searched as `i`. Accents are significant: `Élodie` is
/// not `Elodie`.
///
/// The database stores this form. A change of this function needs a migration that recomputes it.
pub fn fold(text: &str) -> String {
    // Uppercasing unifies letters that differ only in lower case (`ß` and `ss`, `ς` and `σ`). It is preceded by
    // lowercasing because `ẞ` is already upper case.
    let upper = text.nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    // The lower case of `İ` is `i` with a combining dot above.
    upper.flat_map(char::to_lowercase).nfkc().collect::<String>().replace("i\u{307}", "i")
}

/// The digits to search for in E.164 numbers, if the search text is a phone number or a part of one: `303 555`,
/// `(303) 555-01`, `+1 303`. Prefixes that are not part of E.164 are removed: `00`, and the trunk prefix `0` of a
/// number in national notation.
pub fn phone_part(text: &str) -> Option<String> {
    let digits = compact(text)?;
    Some(if digits.len() >= NATIONAL_DIGITS { digits.trim_start_matches('0').to_owned() } else { digits })
        .filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_make_no_difference() {
        for (one, other) in [
            ("Élodie Ångström", "ÉLODIE ÅNGSTRÖM"),
            ("Élodie", "E\u{301}lodie"),
            ("Ångström", "A\u{30a}ngstro\u{308}m"),
            ("Привет", "ПРИВЕТ"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Οδυσσεύς", "ΟΔΥΣΣΕΎΣ"),
            ("İstanbul", "istanbul"),
            ("İstanbul", "ISTANBUL"),
            ("I\u{307}zmir", "i\u{307}zmir"),
            ("Kılıç", "KILIÇ"),
            ("ﬁnance", "FINANCE"),
            ("Ｃａｒｌａ", "carla"),
            ("ǅ", "Ǆ"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
            assert_eq!(fold(&fold(one)), fold(one), "{one} twice");
        }
        for (one, other) in [("Élodie", "Elodie"), ("й", "и"), ("Carla", "Karla"), ("ø", "o")] {
            assert_ne!(fold(one), fold(other), "{one} and {other}");
        }
        assert_eq!(fold("100%_\\!"), "100%_\\!");
    }

    #[test]
    fn parts_of_numbers_are_found_as_they_are_typed() {
        for (text, expected) in [
            ("303 555", Some("303555")),
            ("(303) 555-01", Some("30355501")),
            ("+1 303", Some("+1303")),
            ("0100", Some("0100")),
            ("030 123456", Some("30123456")),
            ("0049 30 123456", Some("4930123456")),
            ("+44 (0)20", Some("+4420")),
            ("٣٠٣", None),
            ("Carla", None),
            ("303 Carla", None),
            ("-", None),
            ("", None),
            ("0000000", None),
        ] {
            assert_eq!(phone_part(text).as_deref(), expected, "{text}");
        }
    }
}
