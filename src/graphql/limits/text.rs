//! Limits on the text of a document. The parser recurses for each level and could overflow the stack, so the nesting is
//! checked before, without recursion.

use crate::graphql::errors::{Code, Failure};

use super::{MAX_BRACKETS, MAX_TOKENS, check_limit};

/// Checks a document's text before it is parsed (GraphQL, section 2.1: lexical tokens).
///
/// # Errors
/// QUERY_TOO_COMPLEX with the limit that is exceeded; GRAPHQL_PARSE_FAILED for an unterminated string, because brackets
/// after its start cannot be told from its contents.
pub(in crate::graphql) fn check_text(text: &str) -> Result<(), Failure> {
    let (mut rest, mut tokens, mut depth) = (text.as_bytes(), 0, 0_usize);
    while let [first, ..] = rest {
        let length = match first {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = &rest[1..];
                continue;
            }
            b'#' => {
                rest = &rest[length_of(rest, |byte| !matches!(byte, b'\r' | b'\n'))..];
                continue;
            }
            b'"' => string(rest)
                .ok_or_else(|| Failure::new(Code::ParseFailed, "The document contains an unterminated string."))?,
            b'{' | b'[' | b'(' => {
                depth += 1;
                check_limit("levels of brackets", depth, MAX_BRACKETS)?;
                1
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            byte if is_word(*byte) => length_of(rest, is_word),
            _ => 1,
        };
        tokens += 1;
        check_limit("tokens", tokens, MAX_TOKENS)?;
        rest = &rest[length..];
    }
    Ok(())
}

/// A part of a name or a number. The parser rejects letters that are not ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn length_of(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !belongs(*byte)).unwrap_or(text.len())
}

/// The length of the string at the start of `text`, including its quotes; `None` if it is unterminated.
fn string(text: &[u8]) -> Option<usize> {
    const BLOCK: &[u8] = br#"""""#;
    let (quote, escaped): (&[u8], &[u8]) = if text.starts_with(BLOCK) { (BLOCK, br#"\""""#) } else { (br#"""#, br"\") };
    let mut at = quote.len();
    loop {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        if rest.starts_with(quote) {
            return Some(at + quote.len());
        }
        if quote.len() == 1 && matches!(rest[0], b'\r' | b'\n') {
            return None;
        }
        at += match rest.starts_with(escaped) {
            // In a block string only the quotes can be escaped, elsewhere any character.
            true => escaped.len().max(2),
            false => 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Result<(), Code> {
        check_text(text).map_err(|failure| failure.code())
    }

    #[test]
    fn depth_counts_every_bracket_outside_strings_and_comments() {
        let deep = |open: &str, close: &str, count| format!("{{a(b:{}1{})}}", open.repeat(count), close.repeat(count));
        for (open, close, brackets) in [("[", "]", 1), ("{a:", "}", 1), ("([{", "}])", 3)] {
            assert_eq!(verdict(&deep(open, close, (MAX_BRACKETS - 2) / brackets)), Ok(()), "{open}");
            assert_eq!(verdict(&deep(open, close, MAX_BRACKETS)), Err(Code::QueryTooComplex), "{open}");
        }
        let brackets = "[".repeat(MAX_BRACKETS + 1);
        for harmless in [
            format!("{{a(b:\"{brackets}\")}}"),
            format!("{{a(b:\"\\\"{brackets}\\\\\")}}"),
            format!("{{a(b:\"\"\"\n{brackets}\\\"\"\"{brackets}\"\"\")}}"),
            format!("#{brackets}\n{{a}}"),
        ] {
            assert_eq!(verdict(&harmless), Ok(()), "{harmless}");
        }
        for nested in [
            format!("{{a(b:\"\" c:{brackets})}}"),
            format!("{{a(b:\"\\\\\" c:{brackets})}}"),
            format!("{{a(b:\"\"\"\"\"\" c:{brackets})}}"),
            format!("#\"\"\"\r{brackets}"),
        ] {
            assert_eq!(verdict(&nested), Err(Code::QueryTooComplex), "{nested}");
        }
    }

    #[test]
    fn an_unterminated_string_is_rejected() {
        for text in ["{a(b:\"", "{a(b:\"\n[[[\")}", "{a(b:[\"\"\" \" [[[", "{a(b:\"\\", "\"\"\"\\\"\"\""] {
            assert_eq!(verdict(text), Err(Code::ParseFailed), "{text}");
        }
    }

    #[test]
    fn tokens_are_counted_and_whitespace_is_not() {
        assert_eq!(verdict(&"a ,\n".repeat(MAX_TOKENS)), Ok(()));
        assert_eq!(verdict(&"a1.5é \u{feff}".repeat(MAX_TOKENS + 1)), Err(Code::QueryTooComplex));
        assert_eq!(verdict(&"!".repeat(MAX_TOKENS + 1)), Err(Code::QueryTooComplex));
        assert_eq!(verdict(&"\"\"".repeat(MAX_TOKENS + 1)), Err(Code::ParseFailed));
        assert_eq!(verdict(&"\"\" ".repeat(MAX_TOKENS + 1)), Err(Code::QueryTooComplex));
    }
}
