//! A client of Twilio's REST API.
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
mod deletions;
mod media;
mod messages;
mod numbers;
mod received;
mod recordings;
mod services;

pub use callback::callback_url;
pub use calls::{FetchedCall, OutboundCall, RecordingFile, StartCallOutcome};
pub use media::{MediaDownload, MediaError};
pub use messages::{ListedMessage, OutboundText};
pub use numbers::{Capabilities, TwilioNumber};
pub use received::{ReceivedCall, ReceivedFile, ReceivedText};
pub use recordings::ListedRecording;
pub use services::{ListError, MessagingService};

/// The time for the head of a response, and again for its body. An attempt to send ends within twice this time.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The fragment of a webhook URL that makes Twilio retry after connection failures, timeouts and 5xx. Twilio neither
/// sends nor signs it. Source: Twilio, "Webhooks: connection overrides".
pub const CONNECTION_OVERRIDES: &str = "#rc=5&rp=5xx,ct,rt";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest response that is read, far more than a page of 100 messages.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;
/// Idle connections are closed early, because the server may close a connection at the moment of its reuse.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// An error of a request. Its text contains no secret.
#[derive(Debug, thiserror::Error)]
pub enum TwilioError {
    /// There was no complete response in time.
    #[error("Twilio cannot be reached")]
    Unreachable,
    /// Twilio does not serve the account.
    #[error("{}", .0.explain())]
    Account(AccountTrouble),
    #[error("Twilio is busy")]
    Busy,
    /// The resource does not exist (404 and 410).
    #[error("the resource does not exist at Twilio")]
    Missing,
    #[error("the recording that Twilio returned is not audio")]
    NotAudio,
    #[error("the recording is too large")]
    TooLarge,
    /// A list has more messages than Partyline reads.
    #[error("Twilio has too many messages to list")]
    TooMany,
    /// The response is not as documented.
    #[error("Twilio responded with {0}")]
    Answer(StatusCode),
}

/// The credentials of a request.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub account_sid: String,
    /// The SID of the account or of an API key.
    pub username: String,
    /// The auth token of the account or the secret of the API key.
    pub password: SecretString,
    /// The secondary auth token during a rotation. It is tried if Twilio rejects the primary one.
    pub secondary: Option<SecretString>,
    /// True if Twilio accepted the secondary token last, so that it is tried first. Clones share the value.
    pub secondary_first: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
pub struct TwilioRest {
    http: Client,
    /// Fetches files from the servers that Twilio refers to.
    files: Client,
    base: String,
    messaging_base: String,
    clock: Arc<dyn Clock>,
}

impl TwilioRest {
    /// A client of the API at `base` and of the Messaging Services API at `messaging_base`. Timeouts use `clock`.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be set up.
    pub fn new(base: &str, messaging_base: &str, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        // Fails if a provider is installed already. That is the same one, because only one is compiled in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            // The crate of the object storage enables HTTP/2 in reqwest.
            .http1_only()
            .redirect(Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .build()?;
        let files = media::file_client()?;
        Ok(Self { http, files, base: base.to_owned(), messaging_base: messaging_base.to_owned(), clock })
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

    /// Fetches the next page of a list. Only a path is accepted, so that the credentials are not sent to another host.
    async fn get_uri<T: DeserializeOwned>(&self, credentials: &Credentials, uri: &str) -> Result<T, TwilioError> {
        let is_path = uri.starts_with('/') && !uri.starts_with("//");
        let url = Url::parse(&format!("{}{uri}", self.base)).ok().filter(|_| is_path);
        self.read(credentials, url.ok_or(TwilioError::Unreachable)?).await
    }

    async fn read<T: DeserializeOwned>(&self, credentials: &Credentials, url: Url) -> Result<T, TwilioError> {
        let response = self.send_request(credentials, self.http.get(url)).await;
        let response = response.and_then(Result::ok).ok_or(TwilioError::Unreachable)?;
        let status = response.status();
        let body = self.body(response).await;
        if !status.is_success() {
            return Err(failure(status, &body.unwrap_or_default()));
        }
        serde_json::from_slice(&body.ok_or(TwilioError::Unreachable)?).map_err(|_| TwilioError::Answer(status))
    }

    /// Sends a request and reads the head of the response; `None` if it did not arrive in time.
    async fn send_request(
        &self,
        credentials: &Credentials,
        request: RequestBuilder,
    ) -> Option<reqwest::Result<Response>> {
        tokio::select! {
            response = send_authorized(credentials, request) => Some(response),
            () = self.clock.sleep(RESPONSE_TIMEOUT) => None,
        }
    }

    /// Reads the body of a response; `None` if it is incomplete, late or too large.
    async fn body(&self, mut response: Response) -> Option<Vec<u8>> {
        let read = async {
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.ok()? {
                if bytes.len() + chunk.len() > MAX_RESPONSE_BYTES {
                    return None;
                }
                bytes.extend_from_slice(&chunk);
            }
            Some(bytes)
        };
        tokio::select! {
            body = read => body,
            () = self.body_timeout() => None,
        }
    }

    fn body_timeout(&self) -> impl Future<Output = ()> {
        self.clock.sleep(RESPONSE_TIMEOUT)
    }
}

/// Sends a request with the token that Twilio accepted last and, if the response is 401, with the other one. Repeating
/// it is safe, because a request with status 401 has had no effect.
async fn send_authorized(credentials: &Credentials, request: RequestBuilder) -> reqwest::Result<Response> {
    let secondary_first = credentials.secondary_first.load(Ordering::Relaxed);
    let (first, second) = match &credentials.secondary {
        Some(secondary) if secondary_first => (secondary, Some(&credentials.password)),
        secondary => (&credentials.password, secondary.as_ref()),
    };
    let authorize = |request: RequestBuilder, password: &SecretString| {
        request.basic_auth(&credentials.username, Some(password.expose_secret()))
    };
    // `try_clone` succeeds: no request has a streaming body.
    let again = second.and_then(|second| Some((request.try_clone()?, second)));
    let response = authorize(request, first).send().await?;
    match again {
        Some((request, second)) if response.status() == StatusCode::UNAUTHORIZED => {
            let response = authorize(request, second).send().await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                credentials.secondary_first.store(!secondary_first, Ordering::Relaxed);
            }
            Ok(response)
        }
        _ => Ok(response),
    }
}

/// Twilio's error code in the body of a response.
fn error_code(body: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct ErrorBody {
        code: Option<i64>,
    }
    serde_json::from_slice::<ErrorBody>(body).ok()?.code
}

/// The error of a GET request whose status is not a success.
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
    fn a_number_with_only_null_fields_is_read() {
        let json = r#"{"sid": null, "phone_number": null, "sms_url": null, "sms_fallback_url": null, "voice_url": null,
            "voice_fallback_url": null, "status_callback": null, "capabilities": null}"#;
        let number: TwilioNumber = serde_json::from_str(json).unwrap();
        assert_eq!((number.sms_url, number.voice_url, number.status_callback), (None, None, None));
    }

    #[test]
    fn the_error_code_takes_precedence_over_the_status() {
        let failed =
            |status: u16, body: &str| failure(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string();
        for (status, body, expected) in [
            (401, r#"{"code": 20003}"#, AccountTrouble::Credentials.explain()),
            (403, r#"{"code": null, "message": null}"#, AccountTrouble::Forbidden.explain()),
            (403, "<html>", AccountTrouble::Forbidden.explain()),
            (404, r#"{"code": 20404}"#, "the resource does not exist at Twilio"),
            (410, "", "the resource does not exist at Twilio"),
            (503, r#"{"code": 20429}"#, "Twilio is busy"),
            (400, r#"{"code": "20429"}"#, "Twilio responded with 400 Bad Request"),
            (500, "", "Twilio responded with 500 Internal Server Error"),
        ] {
            assert_eq!(failed(status, body), expected, "{status} {body}");
        }
    }
}
