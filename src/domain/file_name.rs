//! Names of files that other people chose.

/// The maximum length that the database stores.
const MAX_CHARS: usize = 255;

/// The name without folders and without characters that could mislead a reader or break a header; `None` if nothing is
/// left.
pub fn clean_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned: String = last.chars().filter(|c| !is_misleading(*c)).take(MAX_CHARS).collect();
    let cleaned = cleaned.trim().trim_start_matches('.');
    (!cleaned.is_empty()).then(|| cleaned.to_owned())
}

/// Control characters, and characters that change the direction of a text: `gpj.exe` could be shown as `exe.jpg`.
fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_folders_and_no_misleading_characters() {
        for (name, expected) in [
            ("photo.jpg", Some("photo.jpg")),
            ("Größe und Maß.pdf", Some("Größe und Maß.pdf")),
            ("/etc/passwd", Some("passwd")),
            ("C:\\Users\\ana\\scan 1.png", Some("scan 1.png")),
            ("../..", None),
            ("a\r\nSet-Cookie: b", Some("aSet-Cookie: b")),
            ("invoice\u{202e}gpj.exe", Some("invoicegpj.exe")),
            (".bashrc", Some("bashrc")),
            (" \t ", None),
            ("", None),
        ] {
            assert_eq!(clean_file_name(name).as_deref(), expected, "{name}");
        }
        assert_eq!(clean_file_name(&"é".repeat(300)).unwrap().chars().count(), MAX_CHARS);
    }
}
