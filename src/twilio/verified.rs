//! The first step of each webhook: parses the form and verifies its signature.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};

use super::RESPONSE_DEADLINE;
use super::form::{self, Form};
use super::signature::is_authentic;
use crate::domain::AccountId;
use crate::http::body::{BodyError, BodyLimits, read};
use crate::service::{Fault, Services};

/// Several times the size of Twilio's largest form.
const BODY_LIMITS: BodyLimits = BodyLimits { bytes: 64 * 1024, timeout: Duration::from_secs(5) };

#[derive(Debug, thiserror::Error)]
pub(super) enum WebhookRejection {
    /// The response has this status and no body.
    #[error("rejected with status {0}")]
    Status(StatusCode),
    /// The server could not process the request.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Runs the work of a webhook within [`RESPONSE_DEADLINE`]. `Err` is the status of the response. A timeout or a server
/// error is logged and answered with 503, so that Twilio retries.
pub(super) async fn with_deadline<T>(
    services: &Services,
    subject: &str,
    work: impl Future<Output = Result<T, WebhookRejection>>,
) -> Result<T, StatusCode> {
    let done = tokio::select! {
        done = work => done,
        () = services.clock.sleep(RESPONSE_DEADLINE) => {
            tracing::error!("{subject} was not processed in time; responding 503 so that Twilio retries");
            services.reconciliation.request(services.clock.now());
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    done.map_err(|rejection| match rejection {
        WebhookRejection::Status(status) => status,
        WebhookRejection::Fault(fault) => {
            tracing::error!(error = %fault, "{subject} was not processed; responding 503 so that Twilio retries");
            services.reconciliation.request(services.clock.now());
            StatusCode::SERVICE_UNAVAILABLE
        }
    })
}

/// A request with a valid signature.
#[derive(Debug)]
pub(super) struct VerifiedRequest {
    pub(super) account: AccountId,
    pub(super) form: Form,
    /// The query of the URL, which the signature covers.
    pub(super) query: Form,
}

/// Reads a request and verifies its signature for the URL as configured at Twilio.
pub(super) async fn verify(
    services: &Services,
    url: &str,
    request: Request,
) -> Result<VerifiedRequest, WebhookRejection> {
    let (parts, body) = request.into_parts();
    if !is_form(&parts.headers) {
        return Err(WebhookRejection::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = read(&*services.clock, body, BODY_LIMITS).await.map_err(|error| {
        WebhookRejection::Status(match error {
            BodyError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        })
    })?;
    let form = form::parse(&body).map_err(|_| WebhookRejection::Status(StatusCode::BAD_REQUEST))?;
    let sid = form::field(&form, "AccountSid").ok_or(WebhookRejection::Status(StatusCode::BAD_REQUEST))?;
    let forbidden = WebhookRejection::Status(StatusCode::FORBIDDEN);
    let Some(account) = services.read_with_retry(|| services.accounts.by_sid(sid)).await? else {
        return Err(forbidden);
    };
    let signature = parts.headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_authentic(&account.auth_tokens, url, parts.uri.query(), &form, signature) {
        return Err(forbidden);
    }
    let query = parts.uri.query().and_then(|query| form::parse(query.as_bytes()).ok()).unwrap_or_default();
    Ok(VerifiedRequest { account: account.id, form, query })
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
