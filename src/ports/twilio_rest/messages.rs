//! The Messages resource: send a text, and list texts.
//! Source: Twilio, "Messages resource"; "REST API: requests, responses and paging".

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use super::{Credentials, TwilioError, TwilioRest, error_code};
use crate::domain::carrier_refusal::{CarrierRefusal, refusal};
use crate::domain::delivery::SendOutcome;
use crate::domain::delivery_error::REJECTED;
use crate::domain::opt_out::Cleared;
use crate::domain::sid::is_sid;

/// Limits of a list of the messages between two addresses.
const PAGE_SIZE: &str = "100";
const MAX_PAGES: usize = 20;

/// The time that Twilio may hold a text, in seconds. Source: Twilio, "Messages resource: ValidityPeriod".
const VALIDITY_SECONDS: RangeInclusive<u32> = 1..=36_000;

/// A text to send.
#[derive(Debug, Clone)]
pub struct OutboundText {
    /// The proof that the text passed the opt-out gate.
    pub cleared: Cleared,
    /// A number of the account.
    pub from: String,
    pub to: String,
    pub body: String,
    /// The URLs at which Twilio fetches the files that it sends with the text.
    pub media_urls: Vec<String>,
    /// The URL that receives delivery receipts.
    pub status_callback: String,
    /// The time that Twilio may hold the text before it is sent, in seconds.
    pub validity_seconds: u32,
}

/// An outbound message as Twilio lists it.
#[derive(Debug, Clone)]
pub struct ListedMessage {
    pub sid: String,
    /// `None` if Twilio has redacted the body, or if the message has only files.
    pub body: Option<String>,
    pub status: String,
    /// Twilio's error code if the message was not delivered.
    pub error_code: Option<i64>,
    /// The number of segments; `None` if Twilio has not counted them.
    pub segments: Option<u32>,
    /// The number of files; `None` if it is not listed.
    pub media: Option<usize>,
    /// The time at which Twilio accepted the message, to the second.
    pub date_created: DateTime<Utc>,
}

/// A message in a page of the list. Nearly all fields are nullable in Twilio's API description.
#[derive(Deserialize)]
struct Row {
    sid: Option<String>,
    body: Option<String>,
    status: Option<String>,
    direction: Option<String>,
    error_code: Option<i64>,
    num_segments: Option<String>,
    num_media: Option<String>,
    date_created: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Row>,
    next_page_uri: Option<String>,
}

impl Row {
    fn created(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc2822(self.date_created.as_deref()?).ok().map(|at| at.to_utc())
    }

    /// `None` for an inbound message, and for one without the necessary fields.
    fn into_outbound(self) -> Option<ListedMessage> {
        let date_created = self.created()?;
        self.direction.filter(|direction| direction.starts_with("outbound"))?;
        Some(ListedMessage {
            sid: self.sid?,
            body: self.body.filter(|body| !body.is_empty()),
            status: self.status.unwrap_or_default(),
            error_code: self.error_code,
            segments: self.num_segments.and_then(|count| count.parse().ok()).filter(|count| *count > 0),
            media: self.num_media.and_then(|count| count.parse().ok()),
            date_created,
        })
    }
}

impl TwilioRest {
    /// Makes one attempt to send a text and returns its outcome. No layer below retries it: redirects are not followed,
    /// and a request that may have been sent is not repeated.
    pub async fn send(&self, credentials: &Credentials, text: &OutboundText) -> SendOutcome {
        let Ok(url) = self.url(credentials, "/Messages.json") else { return not_now(None) };
        let validity = text.validity_seconds.clamp(*VALIDITY_SECONDS.start(), *VALIDITY_SECONDS.end()).to_string();
        let mut form = vec![
            ("From", text.from.as_str()),
            ("To", text.to.as_str()),
            ("Body", text.body.as_str()),
            ("StatusCallback", text.status_callback.as_str()),
            ("ValidityPeriod", validity.as_str()),
        ];
        form.extend(text.media_urls.iter().map(|url| ("MediaUrl", url.as_str())));
        match self.send_request(credentials, self.http.post(url).form(&form)).await {
            Some(Ok(response)) => {
                let (status, retry_after) = (response.status(), retry_after(response.headers()));
                outcome(status, retry_after, &self.body(response).await.unwrap_or_default())
            }
            // The connection was not established, so nothing was sent.
            Some(Err(error)) if error.is_connect() => not_now(None),
            Some(Err(_)) | None => SendOutcome::InDoubt,
        }
    }

    /// The texts from one address to another that Twilio accepted at `since` or later, newest first.
    ///
    /// # Errors
    /// Returns an error if Twilio cannot be reached or rejects the request.
    pub async fn sent_since(
        &self,
        credentials: &Credentials,
        from: &str,
        to: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<ListedMessage>, TwilioError> {
        // Without a DateSent filter, which would exclude texts that Twilio has not sent yet.
        let query = [("From", from), ("To", to), ("PageSize", PAGE_SIZE)];
        let mut page: Page = self.get(credentials, "/Messages.json", &query).await?;
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let oldest = page.messages.iter().filter_map(Row::created).min();
            let listed = page.messages.into_iter().filter_map(Row::into_outbound);
            found.extend(listed.filter(|message| message.date_created >= since));
            match page.next_page_uri {
                Some(uri) if oldest.is_some_and(|oldest| oldest >= since) => {
                    page = self.get_uri(credentials, &uri).await?
                }
                _ => break,
            }
        }
        Ok(found)
    }
}

/// The outcome of a request to send a text. Only an explicit rejection counts as one: Twilio may respond with 5xx after
/// it has accepted the text.
fn outcome(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> SendOutcome {
    #[derive(Deserialize)]
    struct Created {
        sid: String,
    }
    if status.is_success() {
        return match serde_json::from_slice::<Created>(body) {
            Ok(Created { sid }) if is_sid(&sid) => SendOutcome::Accepted { sid },
            _ => SendOutcome::InDoubt,
        };
    }
    let code = error_code(body);
    match refusal(status.as_u16(), code) {
        Some(CarrierRefusal::Account(trouble)) => SendOutcome::Withheld { trouble },
        Some(CarrierRefusal::Busy) => not_now(retry_after),
        Some(CarrierRefusal::Request) => {
            SendOutcome::Rejected { error_code: code.map_or_else(|| REJECTED.to_owned(), |code| code.to_string()) }
        }
        None => SendOutcome::InDoubt,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn not_now(retry_after: Option<Duration>) -> SendOutcome {
    SendOutcome::NotNow { retry_after }
}
