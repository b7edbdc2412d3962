//! `POST /api/twilio/webhook`: an inbound text. The answer is 200 only once the text is durable.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::verified::{Refused, verify};
use super::{ANSWER_WITHIN, WebhookState, twiml};
use crate::rest::metrics::TextOutcome;
use crate::service::receive_sms::{receive_sms, text_of};
use crate::store::writer::InboundOutcome;

pub(super) async fn receive(State(state): State<WebhookState>, request: Request) -> Response {
    let taken = tokio::select! {
        taken = take(&state, request) => taken,
        () = state.services.clock.sleep(ANSWER_WITHIN) => {
            tracing::error!("a text was not stored in time; Twilio is told to send it again");
            Err(Refused::With(StatusCode::SERVICE_UNAVAILABLE))
        }
    };
    match taken {
        Ok(outcome) => {
            state.metrics.text(match outcome {
                InboundOutcome::Stored(..) => TextOutcome::Stored,
                InboundOutcome::Duplicate => TextOutcome::Duplicate,
                InboundOutcome::Quarantined => TextOutcome::Quarantined,
            });
            twiml::nothing()
        }
        Err(Refused::With(status)) => {
            let failed = status.is_server_error();
            state.metrics.text(if failed { TextOutcome::Failed } else { TextOutcome::Refused });
            status.into_response()
        }
        Err(Refused::Fault(fault)) => {
            tracing::error!(error = %fault, "a text was not stored; Twilio is told to send it again");
            state.metrics.text(TextOutcome::Failed);
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn take(state: &WebhookState, request: Request) -> Result<InboundOutcome, Refused> {
    let verified = verify(&state.services, &state.sms_url, request).await?;
    let text = text_of(verified.account, verified.form).map_err(|_| Refused::With(StatusCode::BAD_REQUEST))?;
    Ok(receive_sms(&state.services, text).await?)
}
