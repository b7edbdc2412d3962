//! `POST /api/twilio/webhook`: an inbound text. The answer is 200 only once the text is durable.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::verified::{Refused, in_time, verify};
use super::{WebhookState, twiml};
use crate::rest::metrics::TextOutcome;
use crate::service::receive_sms::{receive_sms, text_of};
use crate::store::writer::InboundOutcome;

pub(super) async fn receive(State(state): State<WebhookState>, request: Request) -> Response {
    match in_time(&state.services, "a text", take(&state, request)).await {
        Ok(outcome) => {
            state.metrics.text(match outcome {
                InboundOutcome::Stored(..) => TextOutcome::Stored,
                InboundOutcome::Duplicate => TextOutcome::Duplicate,
                InboundOutcome::Quarantined => TextOutcome::Quarantined,
            });
            twiml::nothing()
        }
        Err(status) => {
            let failed = status.is_server_error();
            state.metrics.text(if failed { TextOutcome::Failed } else { TextOutcome::Refused });
            status.into_response()
        }
    }
}

async fn take(state: &WebhookState, request: Request) -> Result<InboundOutcome, Refused> {
    let verified = verify(&state.services, &state.sms_url, request).await?;
    let text = text_of(verified.account, verified.form).map_err(|_| Refused::With(StatusCode::BAD_REQUEST))?;
    Ok(receive_sms(&state.services, text).await?)
}
