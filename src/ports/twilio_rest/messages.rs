//! The Messages resource: send a text, and look for one.
//! Source: Twilio, "Messages resource"; "REST API: requests, responses and paging".

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::{Credentials, TwilioError, TwilioRest};
use crate::domain::delivery::Attempted;
use crate::domain::delivery_error::REJECTED;
use crate::domain::sid::is_sid;

/// As many messages as one page holds, and as many pages as are read.
const PAGE_SIZE: &str = "100";
const MAX_PAGES: usize = 20;

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
}

/// A message as Twilio has it.
#[derive(Debug, Clone, Deserialize)]
pub struct CarriedMessage {
    /// Twilio's name for it.
    pub sid: String,
    /// What it says.
    pub body: String,
    /// How far it got.
    pub status: String,
    /// Which way it went.
    direction: String,
    /// Why not further.
    pub error_code: Option<i64>,
    /// When it arrived there, to the second.
    #[serde(with = "rfc2822")]
    pub date_created: DateTime<Utc>,
}

impl TwilioRest {
    /// Tries to send a text, once, and says what the attempt showed. Nothing below repeats it: no
    /// redirect is followed, and no request that may have left is sent again.
    pub async fn send(&self, credentials: &Credentials, text: &OutboundText) -> Attempted {
        let Ok(url) = self.url(credentials, "/Messages.json") else { return not_now(None) };
        let form = [
            ("From", text.from.as_str()),
            ("To", text.to.as_str()),
            ("Body", text.body.as_str()),
            ("StatusCallback", text.status_callback.as_str()),
        ];
        let request = self.authorised(self.http.post(url), credentials).form(&form);
        match self.answer_to(request).await {
            Some(Ok(answer)) => outcome(answer, self.read_within()).await,
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
        #[derive(Deserialize)]
        struct Page {
            messages: Vec<CarriedMessage>,
            next_page_uri: Option<String>,
        }
        // Not by DateSent: what still waits at Twilio has none, and would be left out.
        let query = [("From", from), ("To", to), ("PageSize", PAGE_SIZE)];
        let mut page: Page = self.get(credentials, "/Messages.json", &query).await?;
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let oldest = page.messages.iter().map(|message| message.date_created).min();
            found.extend(
                page.messages
                    .into_iter()
                    .filter(|message| message.date_created >= since && message.direction.starts_with("outbound")),
            );
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
async fn outcome(answer: Response, within: impl Future<Output = ()>) -> Attempted {
    #[derive(Deserialize)]
    struct Created {
        sid: String,
    }
    #[derive(Deserialize)]
    struct Refused {
        code: Option<i64>,
    }
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = async {
        tokio::select! {
            body = answer.bytes() => body.unwrap_or_default(),
            () = within => axum::body::Bytes::new(),
        }
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS => not_now(retry_after.map(Duration::from_secs)),
        StatusCode::REQUEST_TIMEOUT => Attempted::InDoubt,
        status if status.is_client_error() => {
            let code = serde_json::from_slice::<Refused>(&body.await).ok().and_then(|refused| refused.code);
            Attempted::Rejected { error_code: code.map_or_else(|| REJECTED.to_owned(), |code| code.to_string()) }
        }
        status if status.is_success() => match serde_json::from_slice::<Created>(&body.await) {
            Ok(Created { sid }) if is_sid(&sid) => Attempted::Accepted { sid },
            _ => Attempted::InDoubt,
        },
        _ => Attempted::InDoubt,
    }
}

fn not_now(retry_after: Option<Duration>) -> Attempted {
    Attempted::NotNow { retry_after }
}

mod rfc2822 {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize as _, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(deserializer)?;
        DateTime::parse_from_rfc2822(&text).map(|at| at.to_utc()).map_err(|_| D::Error::custom("no date of RFC 2822"))
    }
}
