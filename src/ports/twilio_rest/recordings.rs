//! Lists the recordings of a call, to find voicemails whose webhooks did not arrive.
//! Source: Twilio, "Recordings resource"; "REST API: requests, responses and paging".

use serde::Deserialize;

use super::{Credentials, TwilioError, TwilioRest};
use crate::domain::sid::is_sid;

/// The number of recordings per page, and the maximum number of pages that are read.
const PAGE_SIZE: &str = "50";
const MAX_PAGES: usize = 5;
/// The `source` of recordings made by the `Record` verb. Other sources are recorded conversations.
const RECORD_VERB: &str = "RecordVerb";
/// The `status` of a recording that is too short or silent and has no file.
const ABSENT: &str = "absent";

/// A voicemail as Twilio lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRecording {
    pub sid: String,
    /// The length in seconds; `None` until Twilio knows it.
    pub seconds: Option<i32>,
}

/// A recording in a page of the list. Every field is nullable in Twilio's API description.
#[derive(Deserialize)]
struct Row {
    sid: Option<String>,
    status: Option<String>,
    source: Option<String>,
    duration: Option<String>,
}

impl Row {
    fn into_voicemail(self) -> Option<ListedRecording> {
        let is_voicemail = self.source.as_deref() == Some(RECORD_VERB) && self.status.as_deref() != Some(ABSENT);
        let sid = self.sid.filter(|sid| is_voicemail && is_sid(sid))?;
        let seconds = self.duration.and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds >= 0);
        Some(ListedRecording { sid, seconds })
    }
}

impl TwilioRest {
    /// Lists the voicemails of a call; empty if Twilio does not know the call.
    ///
    /// # Errors
    /// Returns an error if Twilio cannot be reached or rejects the request.
    pub async fn voicemails_of(
        &self,
        credentials: &Credentials,
        call_sid: &str,
    ) -> Result<Vec<ListedRecording>, TwilioError> {
        #[derive(Deserialize)]
        struct Page {
            recordings: Vec<Row>,
            next_page_uri: Option<String>,
        }
        if !is_sid(call_sid) {
            return Ok(Vec::new());
        }
        let path = format!("/Calls/{call_sid}/Recordings.json");
        let mut page: Page = match self.get(credentials, &path, &[("PageSize", PAGE_SIZE)]).await {
            Err(TwilioError::Missing) => return Ok(Vec::new()),
            page => page?,
        };
        let mut found = page.recordings;
        for _ in 1..MAX_PAGES {
            let Some(uri) = page.next_page_uri else { break };
            page = self.get_uri(credentials, &uri).await?;
            found.append(&mut page.recordings);
        }
        Ok(found.into_iter().filter_map(Row::into_voicemail).collect())
    }
}
