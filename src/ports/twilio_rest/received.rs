//! What an account has received: texts, the files of a text, and calls.
//! Source: Twilio, "Messages resource", "Media subresource", "Calls resource"; "REST API: requests, responses and paging".

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Credentials, TwilioError, TwilioRest};
use crate::domain::sid::is_sid;

/// The entries of a page. Twilio supports 1,000, which could be larger than the largest response that is read.
const PAGE_SIZE: &str = "200";
/// The maximum number of pages that are read of one list, which allows for 500,000 texts or calls.
const MAX_PAGES: usize = 2_500;
/// The most files that a text can have.
const MAX_FILES: &str = "10";

/// An inbound text as Twilio lists it.
#[derive(Debug, Clone)]
pub struct ReceivedText {
    pub sid: String,
    pub from: String,
    /// The address that the text was sent to, with its channel prefix.
    pub to: String,
    /// Empty if Twilio has redacted the body.
    pub body: String,
    /// Whether the text has files.
    pub has_media: bool,
    /// The time at which the text arrived at Twilio, to the second.
    pub arrived_at: DateTime<Utc>,
}

/// A file of a text as Twilio lists it.
#[derive(Debug, Clone)]
pub struct ReceivedFile {
    /// The URL of the file at Twilio.
    pub url: String,
    pub content_type: String,
}

/// An inbound call as Twilio lists it.
#[derive(Debug, Clone)]
pub struct ReceivedCall {
    pub sid: String,
    /// Empty if Twilio does not name the caller.
    pub from: String,
    pub to: String,
    pub status: String,
    pub started_at: DateTime<Utc>,
    /// `None` if the call has not ended.
    pub ended_at: Option<DateTime<Utc>>,
    pub seconds: Option<i32>,
}

/// A row in a list. Nearly all fields are nullable in Twilio's API description.
trait Listed: Sized {
    type Received;

    /// When the row began; `None` if Twilio does not tell.
    fn date(&self) -> Option<DateTime<Utc>>;

    /// `None` for an outbound text or call, and for a row without the necessary fields.
    fn into_received(self) -> Option<Self::Received>;
}

#[derive(Deserialize)]
struct TextRow {
    sid: Option<String>,
    from: Option<String>,
    to: Option<String>,
    body: Option<String>,
    direction: Option<String>,
    num_media: Option<String>,
    date_created: Option<String>,
}

impl Listed for TextRow {
    type Received = ReceivedText;

    fn date(&self) -> Option<DateTime<Utc>> {
        parse_date(self.date_created.as_deref())
    }

    fn into_received(self) -> Option<ReceivedText> {
        let arrived_at = self.date()?;
        self.direction.filter(|direction| direction == "inbound")?;
        Some(ReceivedText {
            sid: self.sid.filter(|sid| is_sid(sid))?,
            from: self.from.unwrap_or_default(),
            to: self.to?,
            body: self.body.unwrap_or_default(),
            has_media: self.num_media.is_some_and(|count| count != "0"),
            arrived_at,
        })
    }
}

#[derive(Deserialize)]
struct CallRow {
    sid: Option<String>,
    from: Option<String>,
    to: Option<String>,
    status: Option<String>,
    direction: Option<String>,
    duration: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    date_created: Option<String>,
}

impl Listed for CallRow {
    type Received = ReceivedCall;

    fn date(&self) -> Option<DateTime<Utc>> {
        parse_date(self.start_time.as_deref()).or_else(|| parse_date(self.date_created.as_deref()))
    }

    fn into_received(self) -> Option<ReceivedCall> {
        let started_at = self.date()?;
        self.direction.filter(|direction| direction == "inbound")?;
        Some(ReceivedCall {
            sid: self.sid.filter(|sid| is_sid(sid))?,
            from: self.from.unwrap_or_default(),
            to: self.to?,
            status: self.status?,
            started_at,
            ended_at: parse_date(self.end_time.as_deref()),
            seconds: self.duration.and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds >= 0),
        })
    }
}

fn parse_date(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text?).ok().map(|at| at.to_utc())
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(alias = "messages", alias = "calls")]
    rows: Vec<T>,
    next_page_uri: Option<String>,
}

impl TwilioRest {
    /// The texts to any number of an account that arrived at Twilio at `since` or later, oldest first.
    ///
    /// # Errors
    /// Returns an error if Twilio cannot be reached or rejects the request, or if there are more than 500,000 texts.
    pub async fn texts_since(
        &self,
        credentials: &Credentials,
        since: DateTime<Utc>,
    ) -> Result<Vec<ReceivedText>, TwilioError> {
        self.received_since::<TextRow>(credentials, ("/Messages.json", "DateSent>"), since).await
    }

    /// The calls to any number of an account that began at `since` or later, oldest first.
    ///
    /// # Errors
    /// Returns an error if Twilio cannot be reached or rejects the request, or if there are more than 500,000 calls.
    pub async fn calls_since(
        &self,
        credentials: &Credentials,
        since: DateTime<Utc>,
    ) -> Result<Vec<ReceivedCall>, TwilioError> {
        self.received_since::<CallRow>(credentials, ("/Calls.json", "StartTime>"), since).await
    }

    /// The files of a text, in their order; empty if Twilio no longer has them.
    ///
    /// # Errors
    /// Returns an error if Twilio cannot be reached or rejects the request.
    pub async fn files_of(&self, credentials: &Credentials, text_sid: &str) -> Result<Vec<ReceivedFile>, TwilioError> {
        #[derive(Deserialize)]
        struct FileRow {
            sid: Option<String>,
            content_type: Option<String>,
        }
        #[derive(Deserialize)]
        struct FilePage {
            media_list: Vec<FileRow>,
        }
        if !is_sid(text_sid) {
            return Ok(Vec::new());
        }
        let path = format!("/Messages/{text_sid}/Media.json");
        let page: FilePage = match self.get(credentials, &path, &[("PageSize", MAX_FILES)]).await {
            Err(TwilioError::Missing) => return Ok(Vec::new()),
            page => page?,
        };
        let file = |row: FileRow| {
            let sid = row.sid.filter(|sid| is_sid(sid))?;
            let url = self.url(credentials, &format!("/Messages/{text_sid}/Media/{sid}")).ok()?.to_string();
            Some(ReceivedFile { url, content_type: row.content_type.unwrap_or_default() })
        };
        Ok(page.media_list.into_iter().filter_map(file).collect())
    }

    async fn received_since<T: Listed + DeserializeOwned>(
        &self,
        credentials: &Credentials,
        (path, from_day): (&str, &str),
        since: DateTime<Utc>,
    ) -> Result<Vec<T::Received>, TwilioError> {
        // Twilio filters by whole days.
        let day = since.format("%Y-%m-%d").to_string();
        let mut page: Page<T> =
            self.get(credentials, path, &[(from_day, day.as_str()), ("PageSize", PAGE_SIZE)]).await?;
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let is_last = is_before(&page.rows, since);
            let dated = page.rows.into_iter().filter_map(|row| Some((row.date().filter(|at| *at >= since)?, row)));
            found.extend(dated.filter_map(|(at, row)| Some((at, row.into_received()?))));
            match page.next_page_uri.filter(|_| !is_last) {
                Some(uri) => page = self.get_uri(credentials, &uri).await?,
                None => {
                    // Twilio lists the newest first. Within a second, its order is kept.
                    found.reverse();
                    found.sort_by_key(|(at, _)| *at);
                    return Ok(found.into_iter().map(|(_, received)| received).collect());
                }
            }
        }
        Err(TwilioError::TooMany)
    }
}

/// Whether all rows of a page, and so all of the pages after it, are from before `since`. An hour is added because Twilio
/// orders texts by the time at which they were sent.
fn is_before<T: Listed>(rows: &[T], since: DateTime<Utc>) -> bool {
    let newest = rows.iter().filter_map(Listed::date).max();
    let ends = rows.first().and_then(Listed::date).zip(rows.last().and_then(Listed::date));
    let is_newest_first = ends.is_some_and(|(first, last)| first > last);
    is_newest_first && newest.is_some_and(|newest| newest < since - TimeDelta::hours(1))
}
