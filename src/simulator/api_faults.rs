//! Faults of the REST API that last until they are replaced: listings that do not show everything, recordings that
//! cannot be fetched, calls that are refused.

use serde::Deserialize;

/// The faults of the API. In JSON: `{"listing": "redacted", "recording": {"status": 401}, "calls": {"status": 400,
/// "code": 21215}}`; a field that is left out means no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiFaults {
    /// How messages are shown.
    pub listing: Listing,
    /// What a recording is answered with.
    pub recording: Option<RecordingFault>,
    /// What the start of a call is answered with.
    pub calls: Option<CallRefusal>,
}

/// How messages are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Listing {
    /// As they are.
    #[default]
    Whole,
    /// Without their words, as with Message Redaction.
    Redacted,
    /// With null in every nullable field except the SID and the date of creation, and with one more message that has
    /// only nulls.
    Null,
    /// With the prefix that Twilio adds to the texts of a trial account.
    Trial,
}

/// What a recording is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecordingFault {
    /// This HTTP status.
    Status(u16),
    /// 200 with bytes that are not audio.
    NotAudio,
}

/// What the start of a call is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct CallRefusal {
    /// The HTTP status.
    pub status: u16,
    /// Twilio's code.
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
