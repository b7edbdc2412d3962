//! The header `Content-Disposition`, which names a file for a browser.
//!
//! Source: RFC 6266; RFC 8187, section 3.2.

use axum::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters of an extended value that are not percent-encoded: RFC 8187, `attr-char`.
const ENCODED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `inline` or `attachment`, with the name of the file: as ASCII, and, if it has other characters, also as UTF-8.
pub(crate) fn content_disposition(is_inline: bool, file_name: &str) -> HeaderValue {
    let kind = if is_inline { "inline" } else { "attachment" };
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%');
    let plain: String = file_name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut value = format!("{kind}; filename=\"{plain}\"");
    if plain != file_name {
        value += &format!("; filename*=UTF-8''{}", utf8_percent_encode(file_name, &ENCODED));
    }
    // All characters are printable ASCII, so this does not fail.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_encoded() {
        for (name, expected) in [
            ("photo 1.jpg", r#"inline; filename="photo 1.jpg""#),
            ("Größe.pdf", r#"inline; filename="Gr__e.pdf"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.pdf"#),
            ("a\";b=\\c", r#"inline; filename="a_;b=_c"; filename*=UTF-8''a%22%3Bb%3D%5Cc"#),
            ("50%.png", r#"inline; filename="50_.png"; filename*=UTF-8''50%25.png"#),
            ("a\r\nb", r#"inline; filename="a__b"; filename*=UTF-8''a%0D%0Ab"#),
        ] {
            assert_eq!(content_disposition(true, name), expected, "{name:?}");
        }
        assert_eq!(content_disposition(false, "x.html"), r#"attachment; filename="x.html""#);
    }
}
