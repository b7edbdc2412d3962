//! Text search by names and phone numbers, and the order of names, the same on every database.
//!
//! Databases disagree about case: SQLite lowers ASCII only, and what MariaDB and PostgreSQL lower depends on their
//! collation and locale. So names are stored a second time in a search form, a search text is brought into the same
//! form, and the database compares bytes.

use unicode_normalization::UnicodeNormalization as _;

use super::phone::compact;

/// The maximum length of a sort key, in characters. Names that differ only after it are equal in the order.
pub const MAX_SORT_KEY_CHARS: usize = 65;
/// The first character of the sort keys of names.
const NAMED: char = '1';
/// The sort key without a name. It follows the sort keys of all names.
const UNNAMED: &str = "2";

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

/// The sort key of a name, which databases compare byte by byte. Names that differ only in letter case or in accents
/// have the same sort key: `Élodie` and `elodie`. Rows without a name come last.
///
/// The database stores this form. A change of this function needs a migration that recomputes it.
pub fn sort_key(name: Option<&str>) -> String {
    let Some(name) = name else { return UNNAMED.to_owned() };
    let letters = fold(name.trim());
    // Accents are separated from their letters and dropped; letters of other scripts are composed again.
    let letters = letters.nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfc();
    std::iter::once(NAMED).chain(letters).take(MAX_SORT_KEY_CHARS).collect()
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
    fn names_are_ordered_regardless_of_case_and_accents() {
        let sorted = ["Ångström", "angus", "Élodie", "ELSA", "Öztürk", "Zoë", "Борис", "한글"];
        for pair in sorted.windows(2) {
            assert!(sort_key(Some(pair[0])) < sort_key(Some(pair[1])), "{pair:?}");
        }
        for (one, other) in [("Élodie", "elodie"), ("E\u{301}lodie", "ÉLODIE"), (" Zoë ", "ZOE"), ("Straße", "STRASSE")]
        {
            assert_eq!(sort_key(Some(one)), sort_key(Some(other)), "{one} and {other}");
        }
        let last = "\u{10ffff}".repeat(200);
        assert_eq!(sort_key(Some(&last)).chars().count(), MAX_SORT_KEY_CHARS);
        assert!(sort_key(Some(&last)) < sort_key(None));
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
