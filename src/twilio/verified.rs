//! The first hop of each webhook: a request becomes an authentic form, or a refusal.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};

use super::ANSWER_WITHIN;
use super::form::{self, Form};
use super::signature::is_authentic;
use crate::domain::AccountId;
use crate::rest::body::{BodyError, Bounds, read};
use crate::service::{Fault, Services};

/// Several times the largest form that Twilio sends; it sends them at once.
const BODY: Bounds = Bounds { bytes: 64 * 1024, within: Duration::from_secs(5) };

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It is answered with this status and nothing else.
    #[error("refused with {0}")]
    With(StatusCode),
    /// It could not be checked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Does the work of a webhook before Twilio would give up, and logs why not. Twilio is told to ask again after what is
/// an error of ours.
///
/// `Err` is the status that the request is answered with.
pub(super) async fn in_time<T>(
    services: &Services,
    what: &str,
    work: impl Future<Output = Result<T, Refused>>,
) -> Result<T, StatusCode> {
    let done = tokio::select! {
        done = work => done,
        () = services.clock.sleep(ANSWER_WITHIN) => {
            tracing::error!("{what} was not taken in time; Twilio is told to send it again");
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    done.map_err(|refused| match refused {
        Refused::With(status) => status,
        Refused::Fault(fault) => {
            tracing::error!(error = %fault, "{what} was not taken; Twilio is told to send it again");
            StatusCode::SERVICE_UNAVAILABLE
        }
    })
}

/// A form that Twilio signed.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) account: AccountId,
    pub(super) form: Form,
    /// The query of the address that was called: it is signed too.
    pub(super) query: Form,
}

/// Reads a request and checks its signature against the address as it is set at Twilio.
pub(super) async fn verify(services: &Services, address: &str, request: Request) -> Result<Verified, Refused> {
    let (parts, body) = request.into_parts();
    if !is_form(&parts.headers) {
        return Err(Refused::With(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = read(&*services.clock, body, BODY).await.map_err(|error| {
        Refused::With(match error {
            BodyError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        })
    })?;
    let form = form::parse(&body).map_err(|_| Refused::With(StatusCode::BAD_REQUEST))?;
    let sid = form::field(&form, "AccountSid").ok_or(Refused::With(StatusCode::BAD_REQUEST))?;
    let forbidden = Refused::With(StatusCode::FORBIDDEN);
    let Some(account) = services.read_with_retry(|| services.accounts.by_sid(sid)).await? else {
        return Err(forbidden);
    };
    let signature = parts.headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_authentic(&account.auth_tokens, address, parts.uri.query(), &form, signature) {
        return Err(forbidden);
    }
    let query = parts.uri.query().and_then(|query| form::parse(query.as_bytes()).ok()).unwrap_or_default();
    Ok(Verified { account: account.id, form, query })
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
