//! Faults of the REST API that stay in effect until they are replaced: incomplete message listings, recordings that
//! cannot be fetched, rejected calls.

use serde::Deserialize;

/// Faults of the REST API. In JSON: `{"listing": "redacted", "recording": {"status": 401}, "calls": {"status": 400,
/// "code": 21215}}`; a field that is left out means no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiFaults {
    /// The form in which messages are listed and fetched.
    pub listing: Listing,
    /// The response to a request for a recording.
    pub recording: Option<RecordingFault>,
    /// The response to a request to start a call.
    pub calls: Option<CallRefusal>,
}

/// The form in which the API returns messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Listing {
    /// All fields.
    #[default]
    Whole,
    /// Without the body, as with Twilio's Message Redaction.
    Redacted,
    /// With null in every nullable field except the SID and the date of creation, and with one more message that has
    /// only nulls.
    Null,
    /// With the prefix that Twilio adds to the texts of a trial account.
    Trial,
}

/// The response to a request for a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecordingFault {
    /// An error response with this HTTP status.
    Status(u16),
    /// Status 200 with a body that is not audio.
    NotAudio,
}

/// The error response to a request to start a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct CallRefusal {
    /// The HTTP status.
    pub status: u16,
    /// Twilio's error code.
    pub code: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_json() {
        let read = |json: &str| serde_json::from_str::<ApiFaults>(json);
        assert_eq!(read("{}").unwrap(), ApiFaults::default());
        let read_all = read(r#"{"listing":"redacted","recording":{"status":401},"calls":{"status":400,"code":21215}}"#);
        let calls = Some(CallRefusal { status: 400, code: 21215 });
        let expected = ApiFaults { listing: Listing::Redacted, recording: Some(RecordingFault::Status(401)), calls };
        assert_eq!(read_all.unwrap(), expected);
        assert_eq!(read(r#"{"recording":"notAudio"}"#).unwrap().recording, Some(RecordingFault::NotAudio));
        assert!(read(r#"{"listings":"null"}"#).is_err());
    }
}
