//! Media files of messages, and the faults of their downloads.

use std::collections::VecDeque;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The maximum number of media files of a message. Source: Twilio, "Error 21623".
pub(super) const MAX_FILES: usize = 10;
/// Bound the memory of a long-running simulator. When the store is full, the oldest file is removed.
const MAX_STORED_FILES: usize = 10_000;
const MAX_STORED_BYTES: usize = 1 << 30;

/// A media file. In JSON: `{"contentType": "image/png", "bytes": "iVBORw0KGgo=", "fileName": "scan.png"}` with the
/// bytes in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaFile {
    /// The MIME type, such as `image/jpeg`.
    pub content_type: String,
    #[serde(with = "base64_text")]
    pub bytes: Bytes,
    /// The file name in the header `Content-Disposition`; `None` for no header.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The fault of its download.
    #[serde(default)]
    pub fault: Option<MediaFault>,
}

impl MediaFile {
    /// A file without a name and without a fault.
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), bytes: bytes.into(), file_name: None, fault: None }
    }

    /// Sets the file name.
    #[must_use]
    pub fn named(self, file_name: impl Into<String>) -> Self {
        Self { file_name: Some(file_name.into()), ..self }
    }

    /// Sets the fault.
    #[must_use]
    pub fn with_fault(self, fault: MediaFault) -> Self {
        Self { fault: Some(fault), ..self }
    }
}

/// A fault of the download of one file. In JSON: `{"fault": "status", "status": 404, "times": 3}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MediaFault {
    /// The API responds with this status to the next requests for the file, and then as usual.
    Status {
        status: u16,
        /// The value of `Retry-After` in seconds. Without it, the header is missing.
        #[serde(default)]
        seconds: Option<u32>,
        times: u32,
    },
    /// The API redirects to this location.
    Redirect { location: String },
    /// The content server responds with this status to the next requests for the file, and then as usual.
    ContentStatus { status: u16, times: u32 },
    /// The content server responds with another type and content.
    Replaced {
        content_type: String,
        #[serde(with = "base64_text")]
        bytes: Bytes,
    },
    /// The body of the content does not end.
    Endless,
    /// The connection is closed after about this number of bytes, which is below the announced `Content-Length`.
    Truncated { after: usize },
    /// No more bytes are sent after this number, and the connection stays open.
    Stalled { after: usize },
}

impl MediaFault {
    /// The file is not available yet: status 404 for this number of requests.
    pub fn not_yet_available(times: u32) -> Self {
        Self::Status { status: 404, seconds: None, times }
    }
}

/// A media file of a message that the simulator has stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredMedia {
    /// `ME` and 32 hexadecimal digits.
    pub sid: String,
    pub content_type: String,
    #[serde(with = "base64_text")]
    pub bytes: Bytes,
    pub file_name: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Media {
    pub(super) sid: String,
    pub(super) account: String,
    pub(super) message: String,
    pub(super) created: DateTime<Utc>,
    pub(super) file: MediaFile,
    /// The path of the content, which cannot be guessed from the SIDs.
    pub(super) token: String,
}

impl Media {
    pub(super) fn new(account: &str, message: &str, created: DateTime<Utc>, file: MediaFile) -> Self {
        let id = || Uuid::new_v4().simple();
        let (account, message) = (account.to_owned(), message.to_owned());
        Self { sid: format!("ME{}", id()), account, message, created, file, token: format!("{}{}", id(), id()) }
    }
}

#[derive(Debug, Default)]
pub(super) struct MediaStore {
    all: VecDeque<Media>,
    bytes: usize,
    /// The number of requests to the content server that carried credentials.
    pub(super) leaks: usize,
}

impl MediaStore {
    pub(super) fn add(&mut self, media: Media) {
        self.bytes += media.file.bytes.len();
        self.all.push_back(media);
        while (self.all.len() > MAX_STORED_FILES || self.bytes > MAX_STORED_BYTES)
            && let Some(oldest) = self.all.pop_front()
        {
            self.bytes -= oldest.file.bytes.len();
        }
    }

    pub(super) fn get(&self, account: &str, message: &str, sid: &str) -> Option<&Media> {
        let is_wanted = |media: &&Media| media.sid == sid && media.account == account && media.message == message;
        self.all.iter().find(is_wanted)
    }

    /// The files of a message, in their order.
    pub(super) fn of_message(&self, message: &str) -> impl Iterator<Item = &Media> {
        self.all.iter().filter(move |media| media.message == message)
    }

    pub(super) fn remove(&mut self, account: &str, message: &str, sid: &str) -> bool {
        let is_wanted = |media: &Media| media.sid == sid && media.account == account && media.message == message;
        let removed = self.all.iter().position(is_wanted).and_then(|at| self.all.remove(at));
        self.bytes -= removed.as_ref().map_or(0, |media| media.file.bytes.len());
        removed.is_some()
    }

    /// Removes the files of a message.
    pub(super) fn remove_all(&mut self, message: &str) {
        self.all.retain(|media| media.message != message);
        self.bytes = self.all.iter().map(|media| media.file.bytes.len()).sum();
    }

    /// Replaces the fault of a file; false if there is no such file.
    pub(super) fn set_fault(&mut self, sid: &str, fault: Option<MediaFault>) -> bool {
        let media = self.all.iter_mut().find(|media| media.sid == sid);
        media.map(|media| media.file.fault = fault).is_some()
    }

    /// The response of the API to a request for the file; `None` if there is no such file.
    pub(super) fn locate(&mut self, account: &str, message: &str, sid: &str) -> Option<Location> {
        let is_wanted = |media: &&mut Media| media.sid == sid && media.account == account && media.message == message;
        let media = self.all.iter_mut().find(is_wanted)?;
        Some(match &mut media.file.fault {
            Some(MediaFault::Status { status, seconds, times }) if *times > 0 => {
                *times -= 1;
                Location::Error { status: *status, seconds: *seconds }
            }
            Some(MediaFault::Redirect { location }) => Location::Foreign(location.clone()),
            _ => Location::Content(media.token.clone()),
        })
    }

    /// The file with this token, and the status of an error response, if any.
    pub(super) fn content(&mut self, token: &str) -> Option<(Media, Option<u16>)> {
        let media = self.all.iter_mut().find(|media| media.token == token)?;
        let mut error = None;
        if let Some(MediaFault::ContentStatus { status, times }) = &mut media.file.fault
            && *times > 0
        {
            *times -= 1;
            error = Some(*status);
        }
        Some((media.clone(), error))
    }
}

/// The response of the API to a request for a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// A redirect to the content with this token.
    Content(String),
    /// A redirect to this URL.
    Foreign(String),
    /// An error with this HTTP status and this `Retry-After`.
    Error { status: u16, seconds: Option<u32> },
}

/// Bytes as a string in Base64.
mod base64_text {
    use axum::body::Bytes;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_its_fault_are_read_from_json() {
        let json = r#"{"contentType": "image/png", "bytes": "AQI=", "fault": {"fault": "truncated", "after": 1}}"#;
        let file: MediaFile = serde_json::from_str(json).unwrap();
        let expected = MediaFile::new("image/png", vec![1, 2]).with_fault(MediaFault::Truncated { after: 1 });
        assert_eq!(file, expected);
        let fault: MediaFault = serde_json::from_str(r#"{"fault": "status", "status": 404, "times": 2}"#).unwrap();
        assert_eq!(fault, MediaFault::not_yet_available(2));
        let json = r#"{"fault": "replaced", "contentType": "text/html", "bytes": "AQI="}"#;
        assert!(serde_json::from_str::<MediaFault>(json).is_ok());
        assert!(serde_json::from_str::<MediaFile>(r#"{"contentType": "image/png", "bytes": "%"}"#).is_err());
    }

    #[test]
    fn a_file_is_found_by_all_of_its_sids_and_becomes_available() {
        let mut store = MediaStore::default();
        let file = MediaFile::new("image/png", vec![1]).with_fault(MediaFault::not_yet_available(1));
        let media = Media::new("AC1", "MM1", DateTime::from_timestamp(0, 0).unwrap(), file);
        let (sid, token) = (media.sid.clone(), media.token.clone());
        store.add(media);
        assert_eq!(store.locate("AC2", "MM1", &sid), None);
        assert_eq!(store.locate("AC1", "MM1", &sid), Some(Location::Error { status: 404, seconds: None }));
        assert_eq!(store.locate("AC1", "MM1", &sid), Some(Location::Content(token.clone())));
        assert!(store.content(&token).is_some() && store.content(&sid).is_none());
        assert!(!store.remove("AC1", "MM2", &sid) && store.remove("AC1", "MM1", &sid));
        assert!(store.content(&token).is_none() && store.bytes == 0);
    }
}
