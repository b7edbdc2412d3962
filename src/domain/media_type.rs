//! The type of a file by its content, and what may be done with files of that type.

/// The type of a file whose content says nothing about it.
pub const OCTET_STREAM: &str = "application/octet-stream";
const PLAIN_TEXT: &str = "text/plain";
const SVG: &str = "image/svg+xml";
const VCARD: &str = "text/vcard";

/// The layout that MMS adds to its files. It has no meaning for a reader.
pub const MMS_LAYOUT: &str = "application/smil";

/// Types whose files have no signature and which no program executes. Text in an encoding other than UTF-8 looks binary,
/// so these types are plausible for both.
const WITHOUT_SIGNATURE: [&str; 5] = [PLAIN_TEXT, "text/csv", "application/rtf", VCARD, "text/calendar"];

/// The beginning of a file that is searched for text.
const PREFIX_BYTES: usize = 4_096;

/// The MIME type of a file by its content. Formats that consist of text have no signature, so a text is of the types
/// that begin in a known way, or of type `text/plain`.
pub fn sniff(bytes: &[u8]) -> &'static str {
    if let Some(text) = text_of(bytes) {
        return type_of_text(&text);
    }
    infer::get(bytes).map(|kind| kind.mime_type()).or_else(|| type_of_phone_film(bytes)).unwrap_or(OCTET_STREAM)
}

/// Films in the format of mobile phones, which `infer` does not know.
fn type_of_phone_film(bytes: &[u8]) -> Option<&'static str> {
    match bytes.get(4..11)? {
        b"ftyp3g2" => Some("video/3gpp2"),
        brand if brand.starts_with(b"ftyp3g") => Some("video/3gpp"),
        _ => None,
    }
}

/// A content type in lower case and without parameters.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The type under which a file is stored: that of its content. If the content only shows text or bytes, an announced
/// type that is harmless describes it better. Other announcements are not believed, because a browser or an operating
/// system could execute such a file.
pub fn stored_type(declared: &str, content: &'static str) -> &'static str {
    if !matches!(content, PLAIN_TEXT | OCTET_STREAM) {
        return content;
    }
    let declared = match essence(declared).as_str() {
        "text/x-vcard" | "text/directory" | "application/vcard" => VCARD.to_owned(),
        "text/rtf" | "text/richtext" => "application/rtf".to_owned(),
        other => other.to_owned(),
    };
    WITHOUT_SIGNATURE.into_iter().find(|known| *known == declared).unwrap_or(content)
}

/// The beginning of the file as lower-case text; `None` if the file is not text.
fn text_of(bytes: &[u8]) -> Option<String> {
    let is_whole = bytes.len() <= PREFIX_BYTES;
    let prefix = bytes.get(..PREFIX_BYTES).unwrap_or(bytes);
    let text = match std::str::from_utf8(prefix) {
        Ok(text) => text,
        // The prefix may end in the middle of a character.
        Err(error) if !is_whole && error.error_len().is_none() => {
            std::str::from_utf8(&prefix[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_binary = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    (!bytes.is_empty() && !text.contains(is_binary)).then(|| text.to_lowercase())
}

fn type_of_text(text: &str) -> &'static str {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match text {
        _ if text.starts_with("begin:vcard") => VCARD,
        _ if text.starts_with("begin:vcalendar") => "text/calendar",
        _ if text.starts_with("%pdf-") => "application/pdf",
        _ if text.contains("<svg") => SVG,
        _ if ["<!doctype html", "<html", "<head", "<body", "<script"].iter().any(|tag| text.contains(tag)) => {
            "text/html"
        }
        _ if text.starts_with('<') => "text/xml",
        _ => PLAIN_TEXT,
    }
}

/// Whether content of this type is what a sender announced as `declared`. The containers of sound and film are the same,
/// so they are not told apart; other types are only described by the announcement, and the content decides.
pub fn is_as_declared(declared: &str, content: &str) -> bool {
    let content = family(content);
    match family(declared) {
        Some(Family::Image) => content == Some(Family::Image),
        Some(Family::Recording) => content == Some(Family::Recording),
        None => true,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Image,
    /// Sound or film.
    Recording,
}

/// `None` for SVG, which is a document with scripts.
fn family(content_type: &str) -> Option<Family> {
    match content_type.split('/').next()? {
        "image" if !content_type.starts_with(SVG) => Some(Family::Image),
        "audio" | "video" => Some(Family::Recording),
        _ => None,
    }
}

/// Whether a browser shows files of this type without executing anything in them. All other files are downloaded.
pub fn is_shown_inline(content_type: &str) -> bool {
    match family(content_type) {
        // Browsers other than Safari cannot show these.
        Some(Family::Image) => {
            !matches!(content_type, "image/heif" | "image/heic" | "image/tiff" | "image/vnd.adobe.photoshop")
        }
        Some(Family::Recording) => true,
        None => false,
    }
}

/// The type under which Twilio accepts files of this type for a text, which differs from it where a type has several
/// names; `None` if Twilio does not send such files. Source: Twilio, "Accepted content types for media".
pub fn carrier_type(content_type: &str) -> Option<&'static str> {
    Some(match content_type {
        "image/jpeg" => "image/jpeg",
        "image/png" => "image/png",
        "image/gif" => "image/gif",
        "image/bmp" => "image/bmp",
        "image/tiff" => "image/tiff",
        "audio/aac" => "audio/aac",
        "audio/amr" => "audio/amr",
        "audio/m4a" | "audio/mp4" | "audio/x-m4a" => "audio/mp4",
        "audio/mpeg" => "audio/mpeg",
        "audio/ogg" | "audio/opus" => "audio/ogg",
        "audio/x-wav" | "audio/wav" => "audio/vnd.wave",
        "video/3gpp" => "video/3gpp",
        "video/mp4" | "video/x-m4v" => "video/mp4",
        "video/mpeg" => "video/mpeg",
        "video/quicktime" => "video/quicktime",
        "video/webm" => "video/webm",
        "application/pdf" => "application/pdf",
        "text/calendar" => "text/calendar",
        VCARD => VCARD,
        _ => return None,
    })
}

/// Whether Twilio sends files of this type.
pub fn can_be_sent(content_type: &str) -> bool {
    carrier_type(content_type).is_some()
}

/// The usual extension of the names of such files, without the dot.
pub fn extension(content_type: &str) -> &'static str {
    match content_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/bmp" => "bmp",
        "image/tiff" => "tiff",
        "image/heif" | "image/heic" => "heic",
        SVG => "svg",
        "audio/mpeg" => "mp3",
        "audio/m4a" | "audio/mp4" | "audio/x-m4a" => "m4a",
        "audio/ogg" | "audio/opus" => "ogg",
        "audio/x-wav" | "audio/wav" => "wav",
        "audio/amr" => "amr",
        "video/mp4" | "video/x-m4v" => "mp4",
        "video/3gpp" => "3gp",
        "video/3gpp2" => "3g2",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "application/pdf" => "pdf",
        VCARD => "vcf",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        "application/rtf" => "rtf",
        "application/zip" => "zip",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.ms-powerpoint" => "ppt",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "text/html" => "html",
        "text/xml" => "xml",
        PLAIN_TEXT => "txt",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_determines_the_type() {
        let files: [(&[u8], &str); 17] = [
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heif"),
            (b"\0\0\0\x18ftyp3gp4\0\0\0\0", "video/3gpp"),
            (b"\0\0\0\x18ftyp3g2a\0\0\0\0", "video/3gpp2"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
            (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
            (b"BEGIN:VCARD\r\nVERSION:3.0\r\n", "text/vcard"),
            (b"\xef\xbb\xbf  <!DOCTYPE HTML><p>", "text/html"),
            (b"hello <script>alert(1)</script>", "text/html"),
            (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
            (b"<?xml version='1.0'?><a/>", "text/xml"),
            (b"just words", "text/plain"),
            ("gr\u{fc}\u{df}e".as_bytes(), "text/plain"),
            (b"\0\x01\x02", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ];
        for (bytes, expected) in files {
            assert_eq!(sniff(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
        let long = "\u{fc}".repeat(PREFIX_BYTES);
        assert_eq!(sniff(format!("a{long}").as_bytes()), "text/plain");
    }

    #[test]
    fn an_image_that_is_a_page_is_not_as_declared() {
        for (declared, content, expected) in [
            ("image/jpeg", "image/png", true),
            ("image/jpeg", "text/html", false),
            ("image/jpeg", SVG, false),
            ("image/jpeg", OCTET_STREAM, false),
            ("audio/3gpp", "video/3gpp", true),
            ("video/mp4", "image/gif", false),
            ("text/x-vcard", VCARD, true),
            ("application/pdf", "text/html", true),
        ] {
            assert_eq!(is_as_declared(declared, content), expected, "{declared} {content}");
        }
    }

    #[test]
    fn an_announcement_is_believed_only_of_files_that_nothing_executes() {
        for (declared, content, expected) in [
            ("image/jpeg", "image/png", "image/png"),
            ("text/plain", "text/html", "text/html"),
            ("text/plain", SVG, SVG),
            ("text/x-vCard; charset=iso-8859-1", OCTET_STREAM, VCARD),
            ("text/vcard", PLAIN_TEXT, VCARD),
            ("text/csv", PLAIN_TEXT, "text/csv"),
            ("TEXT/CSV", PLAIN_TEXT, "text/csv"),
            ("text/rtf", PLAIN_TEXT, "application/rtf"),
            ("text/plain", OCTET_STREAM, PLAIN_TEXT),
            ("text/html", PLAIN_TEXT, PLAIN_TEXT),
            ("text/html", OCTET_STREAM, OCTET_STREAM),
            (SVG, OCTET_STREAM, OCTET_STREAM),
            ("text/javascript", PLAIN_TEXT, PLAIN_TEXT),
            ("application/xhtml+xml", PLAIN_TEXT, PLAIN_TEXT),
            ("application/x-sh", PLAIN_TEXT, PLAIN_TEXT),
            ("application/pdf", OCTET_STREAM, OCTET_STREAM),
            ("application/vnd.microsoft.portable-executable", OCTET_STREAM, OCTET_STREAM),
            ("", PLAIN_TEXT, PLAIN_TEXT),
            ("text/csv\r\nx: y", PLAIN_TEXT, PLAIN_TEXT),
        ] {
            assert_eq!(stored_type(declared, content), expected, "{declared} {content}");
        }
    }

    #[test]
    fn what_a_browser_could_execute_is_downloaded() {
        for content_type in ["text/html", SVG, "text/xml", "application/pdf", PLAIN_TEXT, OCTET_STREAM, "image/heif"] {
            assert!(!is_shown_inline(content_type), "{content_type}");
        }
        for content_type in ["image/png", "audio/mpeg", "video/mp4"] {
            assert!(is_shown_inline(content_type) && can_be_sent(content_type), "{content_type}");
        }
        for content_type in ["text/html", SVG, "text/xml", PLAIN_TEXT, OCTET_STREAM, "image/avif", "image/heif"] {
            assert!(!can_be_sent(content_type), "{content_type}");
        }
    }
}
