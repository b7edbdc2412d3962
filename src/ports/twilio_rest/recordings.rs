//! The recordings of a call, for voicemails whose webhooks did not arrive.
//! Source: Twilio, "Recordings resource"; "REST API: requests, responses and paging".

use serde::Deserialize;

use super::{Credentials, TwilioError, TwilioRest};
use crate::domain::sid::is_sid;

/// Recordings per page, and the highest number of pages that are read.
const PAGE_SIZE: &str = "50";
const MAX_PAGES: usize = 5;
/// The `source` of recordings made by the `Record` verb. Other sources are recorded conversations.
const RECORD_VERB: &str = "RecordVerb";
/// The `status` of a recording that is too short or silent and has no file.
const ABSENT: &str = "absent";

/// A recording that Twilio holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedRecording {
    /// Twilio's SID of the recording.
    pub sid: String,
    /// The length in seconds; `None` until Twilio knows it.
    pub seconds: Option<i32>,
}

/// A recording as Twilio lists it. Every field is nullable in Twilio's API description.
#[derive(Deserialize)]
struct Listed {
    sid: Option<String>,
    status: Option<String>,
    source: Option<String>,
    duration: Option<String>,
}

impl Listed {
    fn into_voicemail(self) -> Option<CarriedRecording> {
        let is_voicemail = self.source.as_deref() == Some(RECORD_VERB) && self.status.as_deref() != Some(ABSENT);
        let sid = self.sid.filter(|sid| is_voicemail && is_sid(sid))?;
        let seconds = self.duration.and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds >= 0);
        Some(CarriedRecording { sid, seconds })
    }
}

impl TwilioRest {
    /// Lists the voicemails of a call; empty if Twilio does not know the call.
    ///
    /// # Errors
    /// When Twilio cannot be reached or refuses the request.
    pub async fn voicemails_of(
        &self,
        credentials: &Credentials,
        call_sid: &str,
    ) -> Result<Vec<CarriedRecording>, TwilioError> {
        #[derive(Deserialize)]
        struct Page {
            recordings: Vec<Listed>,
            next_page_uri: Option<String>,
        }
        if !is_sid(call_sid) {
            return Ok(Vec::new());
        }
        let path = format!("/Calls/{call_sid}/Recordings.json");
        let mut page: Page = match self.get(credentials, &path, &[("PageSize", PAGE_SIZE)]).await {
            Err(TwilioError::Missing) => return Ok(Vec::new()),
            answer => answer?,
        };
        let mut found = page.recordings;
        for _ in 1..MAX_PAGES {
            let Some(uri) = page.next_page_uri else { break };
            page = self.get_uri(credentials, &uri).await?;
            found.append(&mut page.recordings);
        }
        Ok(found.into_iter().filter_map(Listed::into_voicemail).collect())
    }
}
