//! Twilio's REST API over HTTP.
//! Source: Twilio, "REST API: requests, responses and paging".

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, retry};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::Clock;
use crate::domain::AccountTrouble;
use crate::domain::carrier_refusal::{CarrierRefusal, refusal};

mod callback;
mod calls;
mod messages;
mod numbers;
mod recordings;
mod services;

pub use callback::callback_url;
pub use calls::{CarriedCall, Fetched, OutboundCall, Started};
pub use messages::{CarriedMessage, OutboundText, ReceivedMessage};
pub use numbers::{Capabilities, TwilioNumber};
pub use recordings::CarriedRecording;
pub use services::{ListError, MessagingService};

/// How long Twilio may take for the head of an answer, and again for the rest of it. An attempt to
/// send ends within twice this time.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What the address of a webhook ends with, so that Twilio repeats what we could not answer. It is not sent to us, nor
/// signed. Source: Twilio, "Webhooks: connection overrides".
pub const REPEAT: &str = "#rc=5&rp=5xx,ct,rt";
/// A connection that comes about later than this does not come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The largest answer that is read: far more than a page of a hundred messages.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// A connection that has been idle for longer may be about to be closed by the other side.
const IDLE_AT_MOST: Duration = Duration::from_secs(4);

/// What went wrong with a request, in words without a secret.
#[derive(Debug, thiserror::Error)]
pub enum TwilioError {
    /// There was no answer.
    #[error("Twilio cannot be reached")]
    Unreachable,
    /// Twilio does not serve the account.
    #[error("{}", .0.explain())]
    Account(AccountTrouble),
    /// Twilio is busy.
    #[error("Twilio is busy")]
    Busy,
    /// Twilio does not have what was asked for (404 and 410).
    #[error("Twilio does not have it")]
    Missing,
    /// A recording is not audio.
    #[error("what Twilio delivered is not audio")]
    NotAudio,
    /// A recording is larger than what is kept.
    #[error("the recording is too large")]
    TooLarge,
    /// There are more messages than are read.
    #[error("there are too many messages to read")]
    TooMany,
    /// The answer is not as documented.
    #[error("Twilio answered with {0}")]
    Answer(StatusCode),
}

/// The credentials of a request.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub account_sid: String,
    /// The account's SID, or an API key's.
    pub username: String,
    /// The auth token, or the API key's secret.
    pub password: SecretString,
    /// The other auth token, while they are rotated: it is tried when Twilio does not accept the first.
    pub secondary: Option<SecretString>,
    /// Whether Twilio accepted the secondary last, so that it is tried first. All copies share it.
    pub secondary_first: Arc<AtomicBool>,
}

/// A client of the API.
#[derive(Debug, Clone)]
pub struct TwilioRest {
    http: Client,
    base: String,
    messaging_base: String,
    clock: Arc<dyn Clock>,
}

impl TwilioRest {
    /// A client of the API at `base` and of the Messaging Services API at `messaging_base`, which waits by `clock`.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up.
    pub fn new(base: &str, messaging_base: &str, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        // The only provider that is built in; whoever installed it before us installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .redirect(Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_AT_MOST)
            .build()?;
        Ok(Self { http, base: base.to_owned(), messaging_base: messaging_base.to_owned(), clock })
    }

    fn url(&self, credentials: &Credentials, path: &str) -> Result<Url, TwilioError> {
        let url = format!("{}/2010-04-01/Accounts/{}{path}", self.base, credentials.account_sid);
        Url::parse(&url).map_err(|_| TwilioError::Unreachable)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, TwilioError> {
        let mut url = self.url(credentials, path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.read(credentials, url).await
    }

    /// What a page names as the next one: a path of this API, and never another host.
    async fn get_uri<T: DeserializeOwned>(&self, credentials: &Credentials, uri: &str) -> Result<T, TwilioError> {
        let is_path = uri.starts_with('/') && !uri.starts_with("//");
        let url = Url::parse(&format!("{}{uri}", self.base)).ok().filter(|_| is_path);
        self.read(credentials, url.ok_or(TwilioError::Unreachable)?).await
    }

    async fn read<T: DeserializeOwned>(&self, credentials: &Credentials, url: Url) -> Result<T, TwilioError> {
        let answer = self.answer_to(credentials, self.http.get(url)).await;
        let answer = answer.and_then(Result::ok).ok_or(TwilioError::Unreachable)?;
        let status = answer.status();
        let body = self.body(answer).await;
        if !status.is_success() {
            return Err(failure(status, &body.unwrap_or_default()));
        }
        serde_json::from_slice(&body.ok_or(TwilioError::Unreachable)?).map_err(|_| TwilioError::Answer(status))
    }

    /// The head of the answer; `None` if it did not come in time.
    async fn answer_to(&self, credentials: &Credentials, request: RequestBuilder) -> Option<reqwest::Result<Response>> {
        tokio::select! {
            answer = authorised(credentials, request) => Some(answer),
            () = self.clock.sleep(ANSWER_WITHIN) => None,
        }
    }

    /// The rest of an answer; `None` if it does not come in time, or is too large.
    async fn body(&self, mut answer: Response) -> Option<Vec<u8>> {
        let read = async {
            let mut bytes = Vec::new();
            while let Some(chunk) = answer.chunk().await.ok()? {
                if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                    return None;
                }
                bytes.extend_from_slice(&chunk);
            }
            Some(bytes)
        };
        tokio::select! {
            body = read => body,
            () = self.read_within() => None,
        }
    }

    /// How long the rest of an answer may take.
    fn read_within(&self) -> impl Future<Output = ()> {
        self.clock.sleep(ANSWER_WITHIN)
    }
}

/// Sends a request with the token that Twilio accepted last and, if it is not accepted any more, with the other. A
/// request that was answered with 401 has done nothing, so that it may be sent again.
async fn authorised(credentials: &Credentials, request: RequestBuilder) -> reqwest::Result<Response> {
    let secondary_first = credentials.secondary_first.load(Ordering::Relaxed);
    let (first, second) = match &credentials.secondary {
        Some(secondary) if secondary_first => (secondary, Some(&credentials.password)),
        secondary => (&credentials.password, secondary.as_ref()),
    };
    let signed = |request: RequestBuilder, password: &SecretString| {
        request.basic_auth(&credentials.username, Some(password.expose_secret()))
    };
    // Every request here has a body of bytes or none, which can be cloned.
    let again = second.and_then(|second| Some((request.try_clone()?, second)));
    let answer = signed(request, first).send().await?;
    match again {
        Some((request, second)) if answer.status() == StatusCode::UNAUTHORIZED => {
            let answer = signed(request, second).send().await?;
            if answer.status() != StatusCode::UNAUTHORIZED {
                credentials.secondary_first.store(!secondary_first, Ordering::Relaxed);
            }
            Ok(answer)
        }
        _ => Ok(answer),
    }
}

/// Twilio's error code in the body of an answer.
fn error_code(body: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Refused {
        code: Option<i64>,
    }
    serde_json::from_slice::<Refused>(body).ok()?.code
}

/// What an answer that is not a success says of a request that reads.
fn failure(status: StatusCode, body: &[u8]) -> TwilioError {
    match refusal(status.as_u16(), error_code(body)) {
        Some(CarrierRefusal::Account(trouble)) => TwilioError::Account(trouble),
        Some(CarrierRefusal::Busy) => TwilioError::Busy,
        Some(CarrierRefusal::Request) if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) => {
            TwilioError::Missing
        }
        Some(CarrierRefusal::Request) | None => TwilioError::Answer(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_nothing_but_nulls_is_read() {
        let json = r#"{"sid": null, "phone_number": null, "sms_url": null, "sms_fallback_url": null, "voice_url": null,
            "voice_fallback_url": null, "status_callback": null, "capabilities": null}"#;
        let number: TwilioNumber = serde_json::from_str(json).unwrap();
        assert_eq!((number.sms_url, number.voice_url, number.status_callback), (None, None, None));
    }

    #[test]
    fn an_answer_is_read_by_its_code_and_then_by_its_status() {
        let failed =
            |status: u16, body: &str| failure(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string();
        for (status, body, expected) in [
            (401, r#"{"code": 20003}"#, AccountTrouble::Credentials.explain()),
            (403, r#"{"code": null, "message": null}"#, AccountTrouble::Forbidden.explain()),
            (403, "<html>", AccountTrouble::Forbidden.explain()),
            (404, r#"{"code": 20404}"#, "Twilio does not have it"),
            (410, "", "Twilio does not have it"),
            (503, r#"{"code": 20429}"#, "Twilio is busy"),
            (400, r#"{"code": "20429"}"#, "Twilio answered with 400 Bad Request"),
            (500, "", "Twilio answered with 500 Internal Server Error"),
        ] {
            assert_eq!(failed(status, body), expected, "{status} {body}");
        }
    }
}
