//! Names of files that other people chose, made safe to show and to store under.

use super::media_type::extension;

/// The maximum length that the database stores, in characters.
const MAX_STORED_CHARS: usize = 255;
/// The longest name of a received file, in characters.
const MAX_CHARS: usize = 100;
/// The longest ending that is taken for an extension, in characters.
const MAX_EXTENSION_CHARS: usize = 10;
/// Characters with a meaning in paths, in URLs or for Windows.
const RESERVED: [char; 7] = ['<', '>', ':', '"', '|', '?', '*'];

/// The name without folders and without characters that could mislead a reader or break a header; `None` if nothing is
/// left.
pub fn clean_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned: String = last.chars().filter(|c| !is_misleading(*c)).take(MAX_STORED_CHARS).collect();
    // A leading dot hides a file.
    let cleaned = cleaned.trim().trim_start_matches('.');
    (!cleaned.is_empty()).then(|| cleaned.to_owned())
}

/// A clean name of a received file of this type, with the extension of the type and without characters that are
/// reserved. `None` if nothing is left of the name.
pub fn safe_file_name(given: &str, content_type: &str) -> Option<String> {
    let name: String = clean_file_name(given)?.chars().map(|c| if RESERVED.contains(&c) { '_' } else { c }).collect();
    // Windows drops trailing dots.
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let wanted = extension(content_type);
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if is_extension(ending) => stem,
        _ => name,
    };
    // `photo.jpg.exe` with the content of a photo becomes `photo.jpg`.
    let stem = stem.strip_suffix(&format!(".{wanted}")).unwrap_or(stem);
    let stem: String = stem.chars().take(MAX_CHARS - wanted.len() - 1).collect();
    let stem = stem.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    (!stem.is_empty()).then(|| format!("{stem}.{wanted}"))
}

fn is_extension(ending: &str) -> bool {
    (1..=MAX_EXTENSION_CHARS).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Control characters, and characters that hide or reorder others: `gpj.exe` could be shown as `exe.jpg`.
fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
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
        assert_eq!(clean_file_name(&"é".repeat(300)).unwrap().chars().count(), MAX_STORED_CHARS);
    }

    #[test]
    fn a_received_name_has_the_extension_of_its_type() {
        for (given, content_type, expected) in [
            ("IMG_0001.jpg", "image/jpeg", Some("IMG_0001.jpg")),
            ("IMG_0001.JPEG", "image/jpeg", Some("IMG_0001.jpg")),
            ("Rezept für Oma.pdf", "application/pdf", Some("Rezept für Oma.pdf")),
            ("no extension", "image/png", Some("no extension.png")),
            ("v1.2 notes", "text/plain", Some("v1.2 notes.txt")),
            ("photo.html", "image/png", Some("photo.png")),
            ("photo.jpg.exe", "image/jpeg", Some("photo.jpg")),
            ("page.jpg", "text/html", Some("page.html")),
            ("data.bin", "application/octet-stream", Some("data.bin")),
            ("data.html", "application/octet-stream", Some("data.bin")),
            ("../../etc/passwd", "text/plain", Some("passwd.txt")),
            ("C:\\Users\\carla\\x.png", "image/png", Some("x.png")),
            ("C:x.png", "image/png", Some("C_x.png")),
            ("\u{202e}gpj.exe", "image/jpeg", Some("gpj.jpg")),
            ("a\u{200b}\u{0}\r\nb.png", "image/png", Some("ab.png")),
            ("..", "image/png", None),
            (" . ", "image/png", None),
            ("folder/", "image/png", None),
            (".png", "image/png", Some("png.png")),
            (".htaccess", "text/plain", Some("htaccess.txt")),
            ("x. .png", "image/png", Some("x.png")),
            ("", "image/png", None),
        ] {
            assert_eq!(safe_file_name(given, content_type).as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn a_received_name_has_at_most_100_characters() {
        let long = safe_file_name(&"é".repeat(500), "image/heif").unwrap();
        assert_eq!(long.chars().count(), 100);
        assert!(long.ends_with("é.heic"), "{long}");
    }
}
