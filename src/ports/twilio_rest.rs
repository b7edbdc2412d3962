//! Twilio's REST API over HTTP.
//! Source: Twilio, "REST API: Accounts" and "IncomingPhoneNumbers".

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

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
}

/// A client of the API.
#[derive(Debug, Clone)]
pub struct TwilioRest {
    http: Client,
    base: String,
}

impl TwilioRest {
    /// A client of the API at `base`.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up.
    pub fn new(base: &str) -> Result<Self, reqwest::Error> {
        // The only provider that is built in; whoever installed it before us installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().timeout(ANSWER_WITHIN).build()?;
        Ok(Self { http, base: base.to_owned() })
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

    async fn get<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, TwilioError> {
        let url = format!("{}/2010-04-01/Accounts/{}{path}", self.base, credentials.account_sid);
        let mut url = url::Url::parse(&url).map_err(|_| TwilioError::Unreachable)?;
        url.query_pairs_mut().extend_pairs(query);
        let answer = self.request(credentials, url).send().await.map_err(|_| TwilioError::Unreachable)?;
        match answer.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(TwilioError::Unauthorised),
            status if !status.is_success() => Err(TwilioError::Answer(status)),
            status => answer.json().await.map_err(|_| TwilioError::Answer(status)),
        }
    }

    fn request(&self, credentials: &Credentials, url: url::Url) -> RequestBuilder {
        self.http.get(url).basic_auth(&credentials.username, Some(credentials.password.expose_secret()))
    }
}
