//! `/api/twilio/voice/…`: calls. The number's own webhook is `inbound`, its status callback `status`; the
//! steps beside them are named in the documents that we give.

use std::future::Future;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::form::{Form, field};
use super::twiml::{self, Document};
use super::verified::{Refused, Verified, in_time, verify};
use super::{VOICE_PATH, VOICE_STEPS, WebhookState};
use crate::domain::sid::is_sid;
use crate::rest::metrics::CallOutcome;
use crate::service::calls::Recording;

mod caller;
mod fallback;
mod leg;
mod outbound;
mod reports;

pub(super) fn router() -> Router<WebhookState> {
    Router::new()
        .route(VOICE_PATH, post(caller::inbound))
        .route(&below("menu"), post(caller::menu))
        .route(&below("dialled"), post(caller::dialled))
        .route(&below("recorded"), post(caller::recorded))
        .route(&below("silent"), post(caller::silent))
        .route(&below("recording"), post(reports::recording))
        .route(&below("transcription"), post(reports::transcription))
        .route(&below("status"), post(reports::status))
        .route(&below("screen"), post(leg::screen))
        .route(&below("press"), post(leg::press))
        .route(&below("leg"), post(leg::status))
        .route(&below("outbound"), post(outbound::picked_up))
        .route(&below("outbound-press"), post(outbound::pressed))
        .route(&below("outbound-dialled"), post(outbound::dialled))
        .route(&below("outbound-leg"), post(outbound::leg_status))
}

fn below(name: &str) -> String {
    format!("{VOICE_STEPS}/{name}")
}

/// Answers one of Twilio's requests about a call with a document.
async fn answer<F>(state: &WebhookState, name: &str, request: Request, take: impl FnOnce(Verified) -> F) -> Response
where
    F: Future<Output = Result<Document, Refused>>,
{
    let address =
        if name == "inbound" { state.voice_url.clone() } else { format!("{}{}", state.public_url, below(name)) };
    let work = async {
        let verified = verify(&state.services, &address, request).await?;
        take(verified).await
    };
    match in_time(&state.services, "a step of a call", work).await {
        Ok(document) => {
            state.metrics.call(CallOutcome::Answered);
            twiml::answer(document)
        }
        Err(status) => {
            let failed = status.is_server_error();
            state.metrics.call(if failed { CallOutcome::Failed } else { CallOutcome::Refused });
            status.into_response()
        }
    }
}

/// A field that the form must have.
fn needed<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refused> {
    field(form, name).ok_or(Refused::With(StatusCode::BAD_REQUEST))
}

/// The name of a call or a leg that the form must have.
fn sid(form: &Form, name: &str) -> Result<String, Refused> {
    let sid = needed(form, name)?;
    if is_sid(sid) { Ok(sid.to_owned()) } else { Err(Refused::With(StatusCode::BAD_REQUEST)) }
}

/// The recording that a form is about. Not every form of Twilio's is documented to name it otherwise than by its
/// address, whose last part is its name; the address itself is never asked.
fn recording(form: &Form) -> Result<Recording, Refused> {
    let in_address = || field(form, "RecordingUrl")?.split(['?', '#']).next()?.rsplit('/').next()?.split('.').next();
    let name = field(form, "RecordingSid").or_else(in_address).filter(|name| is_sid(name));
    let name = name.ok_or(Refused::With(StatusCode::BAD_REQUEST))?;
    Ok(Recording { sid: name.to_owned(), seconds: seconds(form, "RecordingDuration") })
}

fn seconds(form: &Form, name: &str) -> Option<i32> {
    field(form, name)?.parse().ok().filter(|seconds| *seconds >= 0)
}
