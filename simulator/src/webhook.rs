//! Signed webhook requests to the application under test, retried as the URL's connection overrides say.
//! Source: Twilio, "Security: Validating requests"; "Webhooks: connection overrides".

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret as _;
use sha1::Sha1;
use url::Url;

use super::settings::{Account, OriginMapping};
use crate::clock::Clock;

/// The time for a request including all retries. Source: Twilio, "Webhooks: connection overrides", total time.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// The highest retry count, whatever `rc` says.
const MAX_RETRIES: u32 = 5;
/// The largest TwiML document. One more byte is read to detect larger responses.
/// Source: Twilio, "Error 11750: TwiML response body too large" (64 kB).
pub(super) const MAX_RESPONSE_BYTES: usize = 64 * 1_024;

pub(super) struct Webhooks {
    http: Client,
    origin_mapping: RwLock<Option<OriginMapping>>,
    retry_delay: Duration,
    clock: Arc<dyn Clock>,
}

/// The response of the application.
#[derive(Debug, Clone)]
pub(super) struct WebhookResponse {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    /// At most one byte more than [`MAX_RESPONSE_BYTES`].
    pub(super) body: Vec<u8>,
}

/// The HTTP method of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Method {
    Get,
    #[default]
    Post,
}

pub(super) type Form = Vec<(&'static str, String)>;

/// The reason for a missing response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WebhookError {
    /// The connection could not be established, or it broke.
    Connection,
    /// No response arrived in time.
    Timeout,
}

/// The result of a request, or of its last retry.
pub(super) type WebhookResult = Result<WebhookResponse, WebhookError>;

impl Webhooks {
    pub(super) fn new(
        origin_mapping: RwLock<Option<OriginMapping>>,
        retry_delay: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        // Fails if a provider is installed already. That is the same one, because only one is compiled in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).build()?;
        Ok(Self { http, origin_mapping, retry_delay, clock })
    }

    pub(super) fn map_origin(&self, mapping: OriginMapping) {
        *self.origin_mapping.write().unwrap_or_else(PoisonError::into_inner) = Some(mapping);
    }

    /// Posts a form that is signed with the account's auth token.
    pub(super) async fn post(&self, account: &Account, address: &str, form: &Form) -> WebhookResult {
        self.send(account, Method::Post, address, form).await
    }

    /// Sends a form by either method. GET puts it into the query string.
    pub(super) async fn send(&self, account: &Account, method: Method, address: &str, form: &Form) -> WebhookResult {
        let (address, overrides) = address.split_once('#').unwrap_or((address, ""));
        let mut url = Url::parse(address).map_err(|_| WebhookError::Connection)?;
        let token = account.token();
        let token = token.expose_secret();
        let signature = match method {
            Method::Post => sign(token, address, form),
            Method::Get => {
                url.query_pairs_mut().extend_pairs(form);
                sign(token, url.as_str(), &Form::new())
            }
        };
        let body = (method == Method::Post).then_some(form);
        let (retries, retry_on) = (retries(overrides), retry_reasons(overrides));
        let deadline = self.clock.monotonic() + TOTAL_TIMEOUT;
        let mut retried = 0;
        loop {
            let remaining = deadline.saturating_sub(self.clock.monotonic());
            let result = self.attempt(&url, body, &signature, remaining).await;
            let reason = match &result {
                Ok(response) if !response.status.is_server_error() => return result,
                Ok(_) => "5xx",
                Err(WebhookError::Connection) => "ct",
                Err(WebhookError::Timeout) => "rt",
            };
            let may_retry = retry_on.contains(&reason) || retry_on.contains(&"all");
            if retried == retries || !may_retry || self.clock.monotonic() + self.retry_delay >= deadline {
                return result;
            }
            retried += 1;
            self.clock.sleep(self.retry_delay).await;
        }
    }

    /// An unsigned request without credentials. Redirects are not followed.
    pub(super) fn plain_request(&self, method: reqwest::Method, url: &Url) -> RequestBuilder {
        self.http.request(method, self.locate(url))
    }

    fn locate(&self, url: &Url) -> Url {
        let mapping = self.origin_mapping.read().unwrap_or_else(PoisonError::into_inner);
        mapping.as_ref().map_or_else(|| url.clone(), |mapping| mapping.locate(url))
    }

    async fn attempt(&self, url: &Url, form: Option<&Form>, signature: &str, timeout: Duration) -> WebhookResult {
        let located = self.locate(url);
        let request = match form {
            Some(form) => self.http.post(located).form(form),
            None => self.http.get(located),
        };
        let request = request.header("X-Twilio-Signature", signature);
        tokio::select! {
            response = read(request) => response.map_err(|_| WebhookError::Connection),
            () = self.clock.sleep(timeout) => Err(WebhookError::Timeout),
        }
    }
}

/// The parameters that a fallback URL gets in addition: the error code and the URL that failed.
/// Source: Twilio, "Availability and reliability: fallback URLs".
pub(super) fn fallback_fields(error_code: &str, address: &str) -> Form {
    let address = address.split('#').next().unwrap_or_default();
    vec![("ErrorCode", error_code.to_owned()), ("ErrorUrl", address.to_owned())]
}

/// Sends a request and reads the response up to the size limit.
async fn read(request: RequestBuilder) -> reqwest::Result<WebhookResponse> {
    let mut response = request.send().await?;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (status, content_type) = (response.status(), content_type.to_owned());
    let mut body = Vec::new();
    while body.len() <= MAX_RESPONSE_BYTES
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_RESPONSE_BYTES + 1);
    Ok(WebhookResponse { status, content_type, body })
}

fn retries(overrides: &str) -> u32 {
    override_value(overrides, "rc").and_then(|count| count.parse().ok()).unwrap_or(0).min(MAX_RETRIES)
}

fn retry_reasons(overrides: &str) -> Vec<&str> {
    override_value(overrides, "rp").map_or_else(|| vec!["ct"], |reasons| reasons.split(',').collect())
}

fn override_value<'a>(overrides: &'a str, name: &str) -> Option<&'a str> {
    overrides.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The HMAC-SHA1 of the URL, followed by the name and value of each field in the order of the names.
fn sign(token: &str, address: &str, form: &Form) -> String {
    let mut fields: Vec<_> = form.iter().collect();
    fields.sort();
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else { return String::new() };
    mac.update(address.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_set_the_number_and_the_reasons_of_retries() {
        assert_eq!((retries("rc=3&rp=5xx,rt"), retry_reasons("rc=3&rp=5xx,rt")), (3, vec!["5xx", "rt"]));
        assert_eq!((retries(""), retries("rc=99"), retries("rc=x")), (0, 5, 0));
        assert_eq!(retry_reasons("rc=1"), ["ct"]);
    }
}
