//! The Messages resource: send a text, and look for one.
//! Source: Twilio, "Messages resource"; "REST API: requests, responses and paging".

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use super::{Credentials, TwilioError, TwilioRest, error_code};
use crate::domain::carrier_refusal::{CarrierRefusal, refusal};
use crate::domain::delivery::Attempted;
use crate::domain::delivery_error::REJECTED;
use crate::domain::sid::is_sid;

/// As many messages as one page holds, and as many pages as are read.
const PAGE_SIZE: &str = "100";
const MAX_PAGES: usize = 20;
/// The largest page, and as many pages as are read of all that an account has received.
const RECEIVED_PAGE_SIZE: &str = "1000";
const MAX_RECEIVED_PAGES: usize = 500;

/// How long Twilio may hold a text, in seconds. Source: Twilio, "Messages resource: ValidityPeriod".
const VALIDITY_SECONDS: RangeInclusive<u32> = 1..=36_000;

/// A text to send.
#[derive(Debug, Clone)]
pub struct OutboundText {
    /// Which of our numbers.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What it says.
    pub body: String,
    /// Where its receipts go.
    pub status_callback: String,
    /// How long Twilio may hold the text before it leaves, in seconds.
    pub validity_seconds: u32,
}

/// An outbound message as Twilio lists it.
#[derive(Debug, Clone)]
pub struct CarriedMessage {
    /// Twilio's name for it.
    pub sid: String,
    /// What it says; `None` if Twilio has redacted it.
    pub body: Option<String>,
    /// How far it got.
    pub status: String,
    /// Why not further.
    pub error_code: Option<i64>,
    /// How many segments it has; `None` if Twilio has not counted them.
    pub segments: Option<u32>,
    /// When it arrived there, to the second.
    pub date_created: DateTime<Utc>,
}

/// A message as it stands in a page. The specification allows null nearly everywhere.
#[derive(Deserialize)]
struct Listed {
    sid: Option<String>,
    from: Option<String>,
    to: Option<String>,
    body: Option<String>,
    status: Option<String>,
    direction: Option<String>,
    error_code: Option<i64>,
    num_segments: Option<String>,
    date_created: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Listed>,
    next_page_uri: Option<String>,
}

impl Listed {
    /// `None` for an outbound message, and for one that lacks what is needed.
    fn inbound(self) -> Option<ReceivedMessage> {
        let date_created = self.created()?;
        self.direction.filter(|direction| direction == "inbound")?;
        let body = self.body.unwrap_or_default();
        Some(ReceivedMessage { sid: self.sid?, from: self.from?, to: self.to?, body, date_created })
    }

    fn created(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc2822(self.date_created.as_deref()?).ok().map(|at| at.to_utc())
    }

    /// `None` for an inbound message, and for one that lacks what it would be recognized by.
    fn outbound(self) -> Option<CarriedMessage> {
        let date_created = self.created()?;
        self.direction.filter(|direction| direction.starts_with("outbound"))?;
        Some(CarriedMessage {
            sid: self.sid?,
            body: self.body.filter(|body| !body.is_empty()),
            status: self.status.unwrap_or_default(),
            error_code: self.error_code,
            segments: self.num_segments.and_then(|count| count.parse().ok()).filter(|count| *count > 0),
            date_created,
        })
    }
}

/// An inbound message as Twilio lists it.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    /// Twilio's name for it.
    pub sid: String,
    /// The sender.
    pub from: String,
    /// Our number.
    pub to: String,
    /// What it says; empty if Twilio has redacted it.
    pub body: String,
    /// When it arrived there, to the second.
    pub date_created: DateTime<Utc>,
}

impl TwilioRest {
    /// The texts to any number of an account that arrived at Twilio since a moment.
    ///
    /// # Errors
    /// When Twilio does not say, or there are more of them than [`MAX_RECEIVED_PAGES`] hold.
    pub async fn received_since(
        &self,
        credentials: &Credentials,
        since: DateTime<Utc>,
    ) -> Result<Vec<ReceivedMessage>, TwilioError> {
        let day = since.format("%Y-%m-%d").to_string();
        let query = [("DateSent>", day.as_str()), ("PageSize", RECEIVED_PAGE_SIZE)];
        let mut page: Page = self.get(credentials, "/Messages.json", &query).await?;
        let mut found = Vec::new();
        for _ in 0..MAX_RECEIVED_PAGES {
            let received = page.messages.into_iter().filter_map(Listed::inbound);
            found.extend(received.filter(|message| message.date_created >= since));
            match page.next_page_uri {
                Some(uri) => page = self.get_uri(credentials, &uri).await?,
                None => return Ok(found),
            }
        }
        Err(TwilioError::TooMany)
    }

    /// Tries to send a text, once, and says what the attempt showed. Nothing below repeats it: no
    /// redirect is followed, and no request that may have left is sent again.
    pub async fn send(&self, credentials: &Credentials, text: &OutboundText) -> Attempted {
        let Ok(url) = self.url(credentials, "/Messages.json") else { return not_now(None) };
        let validity = text.validity_seconds.clamp(*VALIDITY_SECONDS.start(), *VALIDITY_SECONDS.end()).to_string();
        let form = [
            ("From", text.from.as_str()),
            ("To", text.to.as_str()),
            ("Body", text.body.as_str()),
            ("StatusCallback", text.status_callback.as_str()),
            ("ValidityPeriod", validity.as_str()),
        ];
        match self.answer_to(credentials, self.http.post(url).form(&form)).await {
            Some(Ok(answer)) => {
                let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
                outcome(status, retry_after, &self.body(answer).await.unwrap_or_default())
            }
            // The connection never came about, so nothing was sent over it.
            Some(Err(error)) if error.is_connect() => not_now(None),
            Some(Err(_)) | None => Attempted::InDoubt,
        }
    }

    /// The texts from one address to another that arrived at Twilio since a moment, newest first.
    ///
    /// # Errors
    /// When Twilio does not say.
    pub async fn sent_since(
        &self,
        credentials: &Credentials,
        from: &str,
        to: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<CarriedMessage>, TwilioError> {
        // Not by DateSent: what still waits at Twilio has none, and would be left out.
        let query = [("From", from), ("To", to), ("PageSize", PAGE_SIZE)];
        let mut page: Page = self.get(credentials, "/Messages.json", &query).await?;
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let oldest = page.messages.iter().filter_map(Listed::created).min();
            let listed = page.messages.into_iter().filter_map(Listed::outbound);
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

/// What an answer to a text shows. A text is rejected only if Twilio says so; whatever it says of its
/// own trouble (5xx) may come after it took the text.
fn outcome(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Attempted {
    #[derive(Deserialize)]
    struct Created {
        sid: String,
    }
    if status.is_success() {
        return match serde_json::from_slice::<Created>(body) {
            Ok(Created { sid }) if is_sid(&sid) => Attempted::Accepted { sid },
            _ => Attempted::InDoubt,
        };
    }
    let code = error_code(body);
    match refusal(status.as_u16(), code) {
        Some(CarrierRefusal::Account(trouble)) => Attempted::Withheld { trouble },
        Some(CarrierRefusal::Busy) => not_now(retry_after),
        Some(CarrierRefusal::Request) => {
            Attempted::Rejected { error_code: code.map_or_else(|| REJECTED.to_owned(), |code| code.to_string()) }
        }
        None => Attempted::InDoubt,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn not_now(retry_after: Option<Duration>) -> Attempted {
    Attempted::NotNow { retry_after }
}
