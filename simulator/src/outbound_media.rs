//! Fetches the media of outbound messages from the application, and checks their type and size.
//! Source: Twilio, "Accepted content types for media".

use std::time::Duration;

use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use reqwest::{Method, Response};
use url::Url;

use super::carrier::Carrier;
use super::ledger::Message;
use super::media::{Media, MediaFile};

/// The time for one file including its redirects.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Twilio documents no number. This is the limit of common HTTP clients for a chain that is not a loop.
const MAX_REDIRECTS: usize = 5;
/// The limit of all files of a message together.
const MAX_TOTAL_BYTES: usize = 5 * 1_024 * 1_024;

/// Error codes. Source: Twilio, "Error and warning dictionary".
const NOT_RETRIEVED: u32 = 11200;
const NOT_CONNECTED: u32 = 11205;
const TOO_MANY_REDIRECTS: u32 = 11215;
const TOO_LARGE: u32 = 11751;
const INVALID_CONTENT_TYPE: u32 = 12300;

/// The types that Twilio formats for the phone, with the first bytes of their files.
const FORMATTED: [(&str, &[u8]); 4] = [
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/jpg", b"\xff\xd8\xff"),
    ("image/png", b"\x89PNG"),
    ("image/gif", b"GIF8"),
];
/// The types that Twilio accepts and forwards unchanged.
const FORWARDED: [&str; 45] = [
    "image/bmp",
    "image/tiff",
    "audio/aac",
    "audio/ac3",
    "audio/amr",
    "audio/amr-nb",
    "audio/basic",
    "audio/l24",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/vnd.rn-realaudio",
    "audio/vorbis",
    "audio/vnd.wave",
    "audio/webm",
    "audio/3gpp",
    "audio/3gpp2",
    "video/h261",
    "video/h263",
    "video/h263-1998",
    "video/h263-2000",
    "video/h264",
    "video/mp4",
    "video/mpeg",
    "video/quicktime",
    "video/webm",
    "video/3gpp",
    "video/3gpp2",
    "video/3gpp-tt",
    "text/calendar",
    "text/csv",
    "text/directory",
    "text/richtext",
    "text/rtf",
    "text/vcard",
    "text/x-vcard",
    "application/msword",
    "application/pdf",
    "application/vcard",
    "application/vnd.apple.pkpass",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
];

impl Carrier {
    /// Fetches and stores the media of a message. The error is Twilio's code; nothing is stored then.
    pub(super) async fn store_outbound_media(&self, message: &Message) -> Result<(), u32> {
        let mut files = Vec::new();
        let mut allowed = MAX_TOTAL_BYTES;
        for address in &message.media_urls {
            let file = tokio::select! {
                file = self.fetch_media(address, allowed) => file?,
                () = self.clock.sleep(TIMEOUT) => return Err(NOT_RETRIEVED),
            };
            allowed -= file.bytes.len();
            files.push(file);
        }
        let mut state = self.state();
        for file in files {
            state.media.add(Media::new(&message.account, &message.sid, message.created, file));
        }
        Ok(())
    }

    /// Fetches a file of at most `allowed` bytes.
    async fn fetch_media(&self, address: &str, allowed: usize) -> Result<MediaFile, u32> {
        let mut response = self.request_media(address).await?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        let file_name = header(CONTENT_DISPOSITION).as_deref().and_then(file_name);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| NOT_RETRIEVED)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > allowed {
                return Err(TOO_LARGE);
            }
        }
        if !is_accepted(&content_type, &bytes) {
            return Err(INVALID_CONTENT_TYPE);
        }
        Ok(MediaFile { file_name, ..MediaFile::new(content_type, bytes) })
    }

    /// The successful response to a GET request. Like Twilio, sends HEAD before; its response does not matter.
    async fn request_media(&self, address: &str) -> Result<Response, u32> {
        let mut url = Url::parse(address).map_err(|_| NOT_RETRIEVED)?;
        let _ = self.webhooks.plain_request(Method::HEAD, &url).send().await;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.webhooks.plain_request(Method::GET, &url).send().await.map_err(|_| NOT_CONNECTED)?;
            if response.status().is_success() {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.filter(|_| response.status().is_redirection()).ok_or(NOT_RETRIEVED)?;
            url = url.join(location).map_err(|_| NOT_RETRIEVED)?;
        }
        Err(TOO_MANY_REDIRECTS)
    }
}

/// True if Twilio accepts this type and, for the types that it formats, the content agrees with it.
fn is_accepted(content_type: &str, bytes: &[u8]) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match FORMATTED.iter().find(|(known, _)| *known == essence) {
        Some((_, first_bytes)) => bytes.starts_with(first_bytes),
        None => FORWARDED.contains(&essence.as_str()),
    }
}

/// The file name in a `Content-Disposition` header.
fn file_name(disposition: &str) -> Option<String> {
    let name = disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix("filename="))?;
    Some(name.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_must_be_accepted_and_true() {
        for (content_type, bytes, expected) in [
            ("image/png", &b"\x89PNG\r\n"[..], true),
            ("IMAGE/PNG; x=y", b"\x89PNG\r\n", true),
            ("image/png", b"\xff\xd8\xff", false),
            ("text/vcard; charset=utf-8", b"BEGIN:VCARD", true),
            ("text/html", b"<html>", false),
            ("application/octet-stream", b"\x89PNG\r\n", false),
            ("", b"\x89PNG\r\n", false),
        ] {
            assert_eq!(is_accepted(content_type, bytes), expected, "{content_type}");
        }
    }

    #[test]
    fn a_file_name_is_read_from_its_header() {
        assert_eq!(file_name("inline; filename=\"scan.png\"").as_deref(), Some("scan.png"));
        assert_eq!(file_name("attachment; filename=scan.png").as_deref(), Some("scan.png"));
        assert_eq!(file_name("inline"), None);
    }
}
