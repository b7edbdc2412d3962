//! Counts the segments of a text. Carriers count and charge segments.
//!
//! Source: 3GPP TS 23.038 (the GSM 7-bit alphabet and its extension table) and 23.040 (concatenation:
//! a header of 6 octets in each part).

/// The most characters of one text. Source: Twilio, "Messages resource: Body".
pub const MAX_CHARS: usize = 1_600;

/// Characters of one septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                     ¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Characters of two septets: an escape and a septet.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// The number of segments of a text; 0 if it is empty.
pub fn segments(text: &str) -> u32 {
    // The size of each character, in septets or in UTF-16 units. A character is not split between two segments.
    let septets: Option<Vec<usize>> = text.chars().map(septets).collect();
    match septets {
        Some(sizes) => count(&sizes, 160, 153),
        None => count(&text.chars().map(char::len_utf16).collect::<Vec<_>>(), 70, 67),
    }
}

fn septets(c: char) -> Option<usize> {
    match c {
        _ if BASIC.contains(c) => Some(1),
        _ if EXTENDED.contains(c) => Some(2),
        _ => None,
    }
}

fn count(sizes: &[usize], alone: usize, part: usize) -> u32 {
    if sizes.iter().sum::<usize>() <= alone {
        return u32::from(!sizes.is_empty());
    }
    let (mut segments, mut filled) = (1, 0);
    for size in sizes {
        if filled + size > part {
            segments += 1;
            filled = 0;
        }
        filled += size;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_in_both_encodings() {
        for (text, expected) in [
            (String::new(), 0),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // An escape and its septet stay together: 76 of them in 153 septets, not 76 and a half.
            ("€".repeat(153), 3),
            ("é".repeat(160), 1),
            ("ç".repeat(70), 1),
            ("ç".repeat(71), 2),
            ("ж".repeat(134), 2),
            ("ж".repeat(135), 3),
            // A surrogate pair stays together: 33 of them in 67 units.
            ("👍".repeat(35), 1),
            ("👍".repeat(36), 2),
            ("👍".repeat(67), 3),
            (format!("{}ж", "a".repeat(69)), 1),
            (format!("{}ж", "a".repeat(70)), 2),
            ("a".repeat(1600), 11),
        ] {
            assert_eq!(segments(&text), expected, "{} of {:?}", text.chars().count(), text.chars().next());
        }
    }

    #[test]
    fn the_alphabets_are_complete() {
        // 128 septets, of which one is the escape.
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENDED.chars().count(), 10);
    }
}
