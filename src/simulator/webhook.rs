//! Signed requests to whoever uses the carrier, repeated as their address asks for.
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

use super::settings::{Account, Deliver};
use crate::ports::Clock;

/// How long an address may take in all, its repeats included.
/// Source: Twilio, "Webhooks: connection overrides", total time.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// However often an address asks to be repeated.
const MOST_REPEATS: u32 = 5;
/// Of an answer, this much is read, and one byte to see that there is more.
/// Source: Twilio, "Error 11750: TwiML response body too large" (64 kB).
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1_024;

pub(super) struct Webhooks {
    http: Client,
    deliver: RwLock<Option<Deliver>>,
    repeat_after: Duration,
    clock: Arc<dyn Clock>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    /// At most one byte more than [`MAX_ANSWER_BYTES`].
    pub(super) body: Vec<u8>,
}

/// The two ways in which an address is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Method {
    Get,
    #[default]
    Post,
}

pub(super) type Form = Vec<(&'static str, String)>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The address cannot be connected to, or the connection broke.
    Connection,
    /// No answer came in time.
    Timeout,
}

/// What a request, or the last of its repeats, came to.
pub(super) type Answered = Result<Answer, NoAnswer>;

impl Webhooks {
    pub(super) fn new(
        deliver: RwLock<Option<Deliver>>,
        repeat_after: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        // The only provider that is built in; whoever installed it before us installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).build()?;
        Ok(Self { http, deliver, repeat_after, clock })
    }

    pub(super) fn deliver_to(&self, deliver: Deliver) {
        *self.deliver.write().unwrap_or_else(PoisonError::into_inner) = Some(deliver);
    }

    /// Posts a form, signed with the account's token.
    pub(super) async fn post(&self, account: &Account, address: &str, form: &Form) -> Answered {
        self.ask(account, Method::Post, address, form).await
    }

    /// The same by either method.
    pub(super) async fn ask(&self, account: &Account, method: Method, address: &str, form: &Form) -> Answered {
        let (address, overrides) = address.split_once('#').unwrap_or((address, ""));
        let mut url = Url::parse(address).map_err(|_| NoAnswer::Connection)?;
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
        let (repeats, on) = (repeats(overrides), reasons(overrides));
        let until = self.clock.monotonic() + ANSWER_WITHIN;
        let mut turn = 0;
        loop {
            let left = until.saturating_sub(self.clock.monotonic());
            let answered = self.once(&url, body, &signature, left).await;
            let reason = match &answered {
                Ok(answer) if !answer.status.is_server_error() => return answered,
                Ok(_) => "5xx",
                Err(NoAnswer::Connection) => "ct",
                Err(NoAnswer::Timeout) => "rt",
            };
            let may_repeat = on.contains(&reason) || on.contains(&"all");
            if turn == repeats || !may_repeat || self.clock.monotonic() + self.repeat_after >= until {
                return answered;
            }
            turn += 1;
            self.clock.sleep(self.repeat_after).await;
        }
    }

    async fn once(&self, url: &Url, form: Option<&Form>, signature: &str, within: Duration) -> Answered {
        let located = {
            let deliver = self.deliver.read().unwrap_or_else(PoisonError::into_inner);
            deliver.as_ref().map_or_else(|| url.clone(), |deliver| deliver.locate(url))
        };
        let request = match form {
            Some(form) => self.http.post(located).form(form),
            None => self.http.get(located),
        };
        let request = request.header("X-Twilio-Signature", signature);
        tokio::select! {
            answer = read(request) => answer.map_err(|_| NoAnswer::Connection),
            () = self.clock.sleep(within) => Err(NoAnswer::Timeout),
        }
    }
}

/// What the fallback of a number is told besides: the error, and the address that it was about.
/// Source: Twilio, "Availability and reliability: fallback URLs".
pub(super) fn failure(error_code: &str, address: &str) -> Form {
    let address = address.split('#').next().unwrap_or_default();
    vec![("ErrorCode", error_code.to_owned()), ("ErrorUrl", address.to_owned())]
}

/// Sends a request and reads its answer, of which nobody makes it hold more than so much.
async fn read(request: RequestBuilder) -> reqwest::Result<Answer> {
    let mut answer = request.send().await?;
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (status, content_type) = (answer.status(), content_type.to_owned());
    let mut body = Vec::new();
    while body.len() <= MAX_ANSWER_BYTES
        && let Some(chunk) = answer.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(MAX_ANSWER_BYTES + 1);
    Ok(Answer { status, content_type, body })
}

fn repeats(overrides: &str) -> u32 {
    overriding(overrides, "rc").and_then(|count| count.parse().ok()).unwrap_or(0).min(MOST_REPEATS)
}

fn reasons(overrides: &str) -> Vec<&str> {
    overriding(overrides, "rp").map_or_else(|| vec!["ct"], |reasons| reasons.split(',').collect())
}

fn overriding<'a>(overrides: &'a str, name: &str) -> Option<&'a str> {
    overrides.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The address as it is called, then each field's name and value in the order of their names.
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
    fn an_address_says_how_often_and_why_to_repeat() {
        assert_eq!((repeats("rc=3&rp=5xx,rt"), reasons("rc=3&rp=5xx,rt")), (3, vec!["5xx", "rt"]));
        assert_eq!((repeats(""), repeats("rc=99"), repeats("rc=x")), (0, 5, 0));
        assert_eq!(reasons("rc=1"), ["ct"]);
    }
}
