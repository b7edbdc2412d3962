//! The Media subresource of a message: download one file.
//! Source: Twilio, "Media subresource".
//!
//! Twilio answers with a redirect to a server that holds the file. The credentials are sent to the API only, and the
//! redirect is followed only to the API itself or to a public address.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, retry};
use url::Url;

use super::{CONNECT_TIMEOUT, Credentials, POOL_IDLE_TIMEOUT, RESPONSE_TIMEOUT, TwilioError, TwilioRest, failure};
use crate::domain::public_address::is_public_url;
use crate::domain::sid::is_sid;
use crate::ports::public_names::{PublicNames, has_no_public_address};

/// The largest file that is received.
const MAX_MEDIA_BYTES: usize = 25 * 1024 * 1024;
/// The time for the body of a file.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_REDIRECTS: usize = 3;

/// A downloaded file.
#[derive(Debug, Clone)]
pub struct MediaDownload {
    /// The declared MIME type.
    pub content_type: Option<String>,
    /// The declared name of the file, as received.
    pub file_name: Option<String>,
    pub bytes: Vec<u8>,
}

/// An error of a download. Its text contains no URL.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The API did not answer the request with credentials, or refused it.
    #[error(transparent)]
    Api(#[from] TwilioError),
    /// The server that Twilio refers to does not have the file.
    #[error("the server that Twilio refers to does not have the file")]
    Missing,
    #[error("Twilio refers to an address that files are not fetched from")]
    UnsafeAddress,
    #[error("the file is too large")]
    TooLarge,
    /// The server that Twilio refers to did not answer as expected, or the file did not arrive completely in time.
    #[error("the file did not arrive completely")]
    Incomplete,
}

impl TwilioRest {
    /// Downloads a file of a message.
    ///
    /// # Errors
    /// Returns an error if Twilio does not have the file (yet), cannot be reached or rejects the request, and if the
    /// file is too large, arrives incompletely or is at an address that files are not fetched from.
    pub async fn media(
        &self,
        credentials: &Credentials,
        message_sid: &str,
        media_sid: &str,
    ) -> Result<MediaDownload, MediaError> {
        if !is_sid(message_sid) || !is_sid(media_sid) {
            return Err(TwilioError::Missing.into());
        }
        let mut url = self.url(credentials, &format!("/Messages/{message_sid}/Media/{media_sid}"))?;
        let response = self.send_request(credentials, self.http.get(url.clone())).await;
        let mut response = response.and_then(Result::ok).ok_or(TwilioError::Unreachable)?;
        let status = response.status();
        if status != StatusCode::OK && !status.is_redirection() {
            let body = self.body(response).await.unwrap_or_default();
            return Err(failure(status, &body).into());
        }
        for _ in 0..MAX_REDIRECTS {
            if !response.status().is_redirection() {
                break;
            }
            url = redirect_target(&url, response.headers()).ok_or(MediaError::Incomplete)?;
            response = self.follow(&url).await?;
        }
        match response.status() {
            StatusCode::OK => self.read_file(response).await,
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(MediaError::Missing),
            _ => Err(MediaError::Incomplete),
        }
    }

    /// Requests the target of a redirect, without credentials.
    async fn follow(&self, url: &Url) -> Result<Response, MediaError> {
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        let is_api = Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin());
        let client = if is_api && !has_credentials {
            &self.http
        } else if is_public_url(url) {
            &self.files
        } else {
            return Err(MediaError::UnsafeAddress);
        };
        let error_of = |error: reqwest::Error| {
            if has_no_public_address(&error) { MediaError::UnsafeAddress } else { MediaError::Incomplete }
        };
        tokio::select! {
            response = client.get(url.clone()).send() => response.map_err(error_of),
            () = self.clock.sleep(RESPONSE_TIMEOUT) => Err(MediaError::Incomplete),
        }
    }

    async fn read_file(&self, mut response: Response) -> Result<MediaDownload, MediaError> {
        let headers = response.headers();
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let disposition = headers.get(CONTENT_DISPOSITION).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let file_name = disposition.and_then(|disposition| file_name(&disposition));
        let expected = response.content_length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if expected.is_some_and(|length| length > MAX_MEDIA_BYTES) {
            return Err(MediaError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(expected.unwrap_or_default());
        let read = async {
            while let Some(chunk) = response.chunk().await.map_err(|_| MediaError::Incomplete)? {
                if bytes.len() + chunk.len() > MAX_MEDIA_BYTES {
                    return Err(MediaError::TooLarge);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(())
        };
        tokio::select! {
            read = read => read?,
            () = self.clock.sleep(BODY_TIMEOUT) => return Err(MediaError::Incomplete),
        }
        Ok(MediaDownload { content_type, file_name, bytes })
    }
}

/// A client for the servers that Twilio refers to. It connects to public addresses only and ignores the proxies of the
/// environment, because a proxy would resolve the names itself.
pub(super) fn file_client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .dns_resolver(PublicNames)
        .no_proxy()
        .https_only(true)
        .redirect(Policy::none())
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .build()
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Option<Url> {
    from.join(headers.get(LOCATION)?.to_str().ok()?).ok()
}

/// The name in a Content-Disposition header. The form with an encoding takes precedence.
/// Source: RFC 6266, section 4.3; RFC 8187, section 3.2.
fn file_name(disposition: &str) -> Option<String> {
    let parameters = parameters(disposition);
    let value = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let encoded = value("filename*").and_then(|value| {
        let mut parts = value.splitn(3, '\'');
        let is_utf8 = parts.next()?.eq_ignore_ascii_case("utf-8");
        let text = parts.nth(1)?;
        is_utf8.then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
    });
    encoded.or_else(|| value("filename").map(str::to_owned)).filter(|name| !name.is_empty())
}

/// The parameters of a header, with their names in lower case and without the quotation marks of their values.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted),
            None => {
                after.split_once(';').map_or((after.trim().to_owned(), ""), |(v, next)| (v.trim().to_owned(), next))
            }
        };
        found.push((name.trim_matches(|c: char| c == ';' || c.is_whitespace()).to_ascii_lowercase(), value));
        rest = next;
    }
    found
}

/// A text up to its closing quotation mark, and what follows it.
fn quoted_text(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_read_from_the_disposition() {
        for (header, expected) in [
            ("attachment; filename=\"IMG 1.jpg\"", Some("IMG 1.jpg")),
            ("inline; filename=IMG1.jpg", Some("IMG1.jpg")),
            ("attachment;FileName = x.jpg ; size=3", Some("x.jpg")),
            ("attachment; size=3; filename=\"a;b=c.jpg\"", Some("a;b=c.jpg")),
            (r#"attachment; filename="a\"b.jpg""#, Some("a\"b.jpg")),
            ("attachment; filename=\"x.jpg\"; filename*=UTF-8''na%C3%AFve.jpg", Some("naïve.jpg")),
            ("attachment; filename*=utf-8'de'%2e%2e%2fx.jpg; filename=y.jpg", Some("../x.jpg")),
            ("attachment; filename*=ISO-8859-1''x.jpg; filename=y.jpg", Some("y.jpg")),
            ("attachment; filename*=broken; filename=y.jpg", Some("y.jpg")),
            ("attachment; filename=\"open", Some("open")),
            ("attachment; filename=\"\\", None),
            ("attachment; filename=", None),
            ("attachment", None),
            ("", None),
            (";;;=;=", None),
        ] {
            assert_eq!(file_name(header).as_deref(), expected, "{header}");
        }
    }
}
