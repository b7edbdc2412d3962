//! `/api/twilio/voice/…`: the webhooks of calls. `inbound` and `status` are configured at Twilio as the webhook and the
//! status callback of a number. The URLs of all other steps are in the TwiML of this server.

use std::future::Future;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::WebhookState;
use super::form::{Form, field};
use super::twiml::{self, Document};
use super::verified::{VerifiedRequest, WebhookRejection, verify, with_deadline};
use crate::domain::sid::{is_sid, sid_in_url};
use crate::domain::webhook_paths::{CALL_STEPS, VOICE};
use crate::metrics::CallOutcome;
use crate::service::calls::Recording;

mod caller;
mod fallback;
mod leg;
mod outbound;
mod reports;

pub(super) fn router() -> Router<WebhookState> {
    Router::new()
        .route(VOICE, post(caller::inbound))
        .route(&path_of("menu"), post(caller::menu))
        .route(&path_of("dialled"), post(caller::dialed))
        .route(&path_of("recorded"), post(caller::recorded))
        .route(&path_of("silent"), post(caller::silent))
        .route(&path_of("recording"), post(reports::recording))
        .route(&path_of("transcription"), post(reports::transcription))
        .route(&path_of("status"), post(reports::status))
        .route(&path_of("screen"), post(leg::screen))
        .route(&path_of("press"), post(leg::press))
        .route(&path_of("leg"), post(leg::status))
        .route(&path_of("outbound"), post(outbound::picked_up))
        .route(&path_of("outbound-press"), post(outbound::pressed))
        .route(&path_of("outbound-dialled"), post(outbound::dialed))
        .route(&path_of("outbound-leg"), post(outbound::leg_status))
}

fn path_of(name: &str) -> String {
    format!("{CALL_STEPS}/{name}")
}

/// Verifies a request about a call and responds with the document that `handle` returns.
async fn respond<F>(
    state: &WebhookState,
    name: &str,
    request: Request,
    handle: impl FnOnce(VerifiedRequest) -> F,
) -> Response
where
    F: Future<Output = Result<Document, WebhookRejection>>,
{
    let address =
        if name == "inbound" { state.voice_url.clone() } else { format!("{}{}", state.public_url, path_of(name)) };
    let work = async {
        let verified = verify(&state.services, &address, request).await?;
        handle(verified).await
    };
    match with_deadline(&state.services, "a step of a call", work).await {
        Ok(document) => {
            state.metrics.call(CallOutcome::Answered);
            twiml::response(document)
        }
        Err(status) => {
            let failed = status.is_server_error();
            state.metrics.call(if failed { CallOutcome::Failed } else { CallOutcome::Refused });
            status.into_response()
        }
    }
}

/// A field of the form; rejects the request if it is absent.
fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, WebhookRejection> {
    field(form, name).ok_or(WebhookRejection::Status(StatusCode::BAD_REQUEST))
}

/// The SID of a call or a leg; rejects the request if it is absent or invalid.
fn sid(form: &Form, name: &str) -> Result<String, WebhookRejection> {
    let sid = required(form, name)?;
    if is_sid(sid) { Ok(sid.to_owned()) } else { Err(WebhookRejection::Status(StatusCode::BAD_REQUEST)) }
}

/// The recording that a form is about. Not all of Twilio's forms are documented to contain `RecordingSid`, so the SID
/// is otherwise taken from the last segment of `RecordingUrl`. That URL itself is never requested.
fn recording(form: &Form) -> Result<Recording, WebhookRejection> {
    let in_url = || field(form, "RecordingUrl").and_then(sid_in_url);
    let sid = field(form, "RecordingSid").or_else(in_url).filter(|sid| is_sid(sid));
    let sid = sid.ok_or(WebhookRejection::Status(StatusCode::BAD_REQUEST))?;
    Ok(Recording { sid: sid.to_owned(), seconds: seconds(form, "RecordingDuration") })
}

fn seconds(form: &Form, name: &str) -> Option<i32> {
    field(form, name)?.parse().ok().filter(|seconds| *seconds >= 0)
}
