//! Twilio's REST API over HTTP.
//! Source: Twilio, "REST API: Accounts" and "IncomingPhoneNumbers".

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, retry};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::Clock;

mod calls;
mod messages;
mod recordings;

pub use calls::{CarriedCall, Fetched, OutboundCall, Started};
pub use messages::{CarriedMessage, OutboundText};
pub use recordings::CarriedRecording;

/// How long Twilio may take for the head of an answer, and again for the rest of it. An attempt to
/// send ends within twice this time.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What the address of a webhook ends with, so that Twilio repeats what we could not answer. It is not sent to us, nor
/// signed. Source: Twilio, "Webhooks: connection overrides".
pub const REPEAT: &str = "#rc=5&rp=5xx,ct,rt";
/// A connection that comes about later than this does not come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A connection that has been idle for longer may be about to be closed by the other side.
const IDLE_AT_MOST: Duration = Duration::from_secs(4);

/// What went wrong with a request, in words without a secret.
#[derive(Debug, thiserror::Error)]
pub enum TwilioError {
    /// There was no answer.
    #[error("Twilio cannot be reached")]
    Unreachable,
    /// The credentials are not taken.
    #[error("Twilio does not take our credentials")]
    Unauthorised,
    /// The answer is not as documented.
    #[error("Twilio answered with {0}")]
    Answer(StatusCode),
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub account_sid: String,
    /// The account's SID, or an API key's.
    pub username: String,
    /// The auth token, or the API key's secret.
    pub password: SecretString,
}

/// A number as Twilio has it.
#[derive(Debug, Clone, Deserialize)]
pub struct TwilioNumber {
    /// Where its texts are sent to.
    pub sms_url: String,
    /// Where they are sent to when that fails.
    pub sms_fallback_url: String,
    /// Where its calls are asked about.
    pub voice_url: String,
    /// Where they are asked about when that fails.
    pub voice_fallback_url: String,
    /// Where it is told how calls ended.
    pub status_callback: String,
}

/// A client of the API.
#[derive(Debug, Clone)]
pub struct TwilioRest {
    http: Client,
    base: String,
    clock: Arc<dyn Clock>,
}

impl TwilioRest {
    /// A client of the API at `base`, which waits by `clock`.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up.
    pub fn new(base: &str, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        // The only provider that is built in; whoever installed it before us installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .redirect(Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_AT_MOST)
            .build()?;
        Ok(Self { http, base: base.to_owned(), clock })
    }

    /// Whether the credentials are taken.
    ///
    /// # Errors
    /// When they are not, or Twilio does not answer.
    pub async fn check(&self, credentials: &Credentials) -> Result<(), TwilioError> {
        self.get::<serde_json::Value>(credentials, ".json", &[]).await.map(drop)
    }

    /// A number of the account, by its E.164 form.
    ///
    /// # Errors
    /// When Twilio does not say.
    pub async fn number(&self, credentials: &Credentials, e164: &str) -> Result<Option<TwilioNumber>, TwilioError> {
        #[derive(Deserialize)]
        struct Page {
            incoming_phone_numbers: Vec<TwilioNumber>,
        }
        let page: Page = self.get(credentials, "/IncomingPhoneNumbers.json", &[("PhoneNumber", e164)]).await?;
        Ok(page.incoming_phone_numbers.into_iter().next())
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
        let answer = self.answer_to(self.authorised(self.http.get(url), credentials)).await;
        let answer = answer.and_then(Result::ok).ok_or(TwilioError::Unreachable)?;
        match answer.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(TwilioError::Unauthorised),
            status if !status.is_success() => Err(TwilioError::Answer(status)),
            status => tokio::select! {
                read = answer.json() => read.map_err(|_| TwilioError::Answer(status)),
                () = self.read_within() => Err(TwilioError::Unreachable),
            },
        }
    }

    fn authorised(&self, request: RequestBuilder, credentials: &Credentials) -> RequestBuilder {
        request.basic_auth(&credentials.username, Some(credentials.password.expose_secret()))
    }

    /// The head of the answer; `None` if it did not come in time.
    async fn answer_to(&self, request: RequestBuilder) -> Option<reqwest::Result<Response>> {
        tokio::select! {
            answer = request.send() => Some(answer),
            () = self.clock.sleep(ANSWER_WITHIN) => None,
        }
    }

    /// How long the rest of an answer may take.
    fn read_within(&self) -> impl Future<Output = ()> {
        self.clock.sleep(ANSWER_WITHIN)
    }
}
