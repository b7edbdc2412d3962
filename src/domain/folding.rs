//! Normalizes typographic variants of a text before its words are compared.

/// Replaces full-width ASCII characters by ASCII and removes invisible characters: zero-width spaces and joiners, soft
/// hyphens, variation selectors and directional marks.
///
/// Source: Unicode, "Halfwidth and Fullwidth Forms", "General Punctuation".
pub fn fold(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).map(to_ascii_width).collect()
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
    )
}

fn to_ascii_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        other => other,
    }
}

/// Whether a character is punctuation in ASCII, Latin-1, Arabic, CJK or the block "General Punctuation" (typographic
/// quotes and dashes). Emoji are not punctuation.
pub fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            c,
            '\u{A1}' | '\u{A7}' | '\u{AB}' | '\u{B4}' | '\u{B6}' | '\u{B7}' | '\u{BB}' | '\u{BF}'
                | '\u{60C}' | '\u{61B}' | '\u{61F}'
                | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}'
                | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301F}'
                | '\u{FF61}'..='\u{FF65}'
        )
}

/// Whether a character is a hyphen, a dash or a minus sign.
pub fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Whether a character is a double quotation mark.
pub fn is_double_quote(c: char) -> bool {
    matches!(c, '"' | '\u{AB}' | '\u{BB}' | '\u{201C}'..='\u{201F}' | '\u{300C}'..='\u{300F}')
}

/// Whether a character is an apostrophe, or is used as one.
pub fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '\u{B4}' | '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2BC}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_width_and_invisible_characters_are_folded_and_others_are_kept() {
        assert_eq!(fold("ＳＴＯＰ！"), "STOP!");
        assert_eq!(fold("S\u{200B}T\u{FEFF}O\u{AD}P\u{FE0F}"), "STOP");
        assert_eq!(fold("Arrêt – “так” 停 🛑"), "Arrêt – “так” 停 🛑");
    }

    #[test]
    fn emoji_and_letters_are_not_punctuation() {
        for c in ['.', '!', '“', '”', '‘', '…', '。', '»', '¿', '—', '·', '、'] {
            assert!(is_punctuation(c), "{c}");
        }
        for c in ['a', 'é', '1', '停', '🛑', '❤', ' '] {
            assert!(!is_punctuation(c), "{c}");
        }
    }
}
