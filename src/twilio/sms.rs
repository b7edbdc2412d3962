//! `POST /api/twilio/webhook`: an inbound text. The answer is 200 only once the text is durable.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::verified::{Refused, Verified, in_time, verify};
use super::{WebhookState, twiml};
use crate::domain::inbound_form::{FormKind, kind_of};
use crate::rest::metrics::{ReceiptOutcome, TextOutcome};
use crate::service::receive_receipt::{quarantine_receipt, receipt_of, receive_receipt};
use crate::service::receive_sms::{receive_sms, text_of};
use crate::store::writer::InboundOutcome;

pub(super) async fn receive(State(state): State<WebhookState>, request: Request) -> Response {
    match in_time(&state.services, "a text", take(&state, request)).await {
        Ok(()) => twiml::nothing(),
        Err(status) => {
            let failed = status.is_server_error();
            state.metrics.text(if failed { TextOutcome::Failed } else { TextOutcome::Refused });
            status.into_response()
        }
    }
}

async fn take(state: &WebhookState, request: Request) -> Result<(), Refused> {
    let verified = verify(&state.services, &state.sms_url, request).await?;
    match kind_of(&verified.form) {
        FormKind::Receipt => take_receipt(state, verified).await,
        FormKind::Text | FormKind::Unclear => take_text(state, verified).await,
    }
}

/// Stores an authentic inbound text, whichever webhook received it.
pub(super) async fn take_text(state: &WebhookState, verified: Verified) -> Result<(), Refused> {
    let text = text_of(verified.account, verified.form).map_err(|_| Refused::With(StatusCode::BAD_REQUEST))?;
    state.metrics.text(outcome(receive_sms(&state.services, text).await?));
    Ok(())
}

/// Handles a receipt that arrived here because a status callback is misconfigured: as a receipt if it matches a text of
/// ours, otherwise it is quarantined.
async fn take_receipt(state: &WebhookState, verified: Verified) -> Result<(), Refused> {
    let services = &state.services;
    let receipt = receipt_of(verified.account, &verified.form, &verified.query);
    let is_ours = match receipt.map_err(|_| Refused::With(StatusCode::BAD_REQUEST))? {
        Some(receipt) => receive_receipt(services, receipt).await?,
        None => false,
    };
    if is_ours {
        state.metrics.receipt(ReceiptOutcome::Taken);
        return Ok(());
    }
    let held = quarantine_receipt(services, verified.account, verified.form).await?;
    state.metrics.text(outcome(held.map_err(|_| Refused::With(StatusCode::BAD_REQUEST))?));
    Ok(())
}

fn outcome(outcome: InboundOutcome) -> TextOutcome {
    match outcome {
        InboundOutcome::Stored(..) => TextOutcome::Stored,
        InboundOutcome::Duplicate => TextOutcome::Duplicate,
        InboundOutcome::Quarantined => TextOutcome::Quarantined,
    }
}
