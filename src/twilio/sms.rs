//! `POST /api/twilio/webhook`: inbound texts. The response is 200 only after the text has been stored.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::verified::{VerifiedRequest, WebhookRejection, verify, with_deadline};
use super::{WebhookState, twiml};
use crate::domain::inbound_form::{FormKind, kind_of};
use crate::metrics::{ReceiptOutcome, TextOutcome};
use crate::service::inbound::{self, InboundOutcome, text_of};
use crate::service::receive_receipt::{quarantine_receipt, receipt_of, receive_receipt};

pub(super) async fn receive(State(state): State<WebhookState>, request: Request) -> Response {
    match with_deadline(&state.services, "a text", handle(&state, request)).await {
        Ok(()) => twiml::empty_response(),
        Err(status) => {
            let failed = status.is_server_error();
            state.metrics.text(if failed { TextOutcome::Failed } else { TextOutcome::Refused });
            status.into_response()
        }
    }
}

async fn handle(state: &WebhookState, request: Request) -> Result<(), WebhookRejection> {
    let verified = verify(&state.services, &state.sms_url, request).await?;
    match kind_of(&verified.form) {
        FormKind::Receipt => handle_receipt(state, verified).await,
        FormKind::Text | FormKind::Unclear => store_text(state, verified).await,
    }
}

/// Stores a verified inbound text, whichever webhook received it.
pub(super) async fn store_text(state: &WebhookState, verified: VerifiedRequest) -> Result<(), WebhookRejection> {
    let text =
        text_of(verified.account, verified.form).map_err(|_| WebhookRejection::Status(StatusCode::BAD_REQUEST))?;
    state.metrics.text(outcome(inbound::receive(&state.services, text).await?));
    Ok(())
}

/// Handles a receipt that arrived here because a status callback is misconfigured. It is quarantined if it does not
/// match a message of Partyline.
async fn handle_receipt(state: &WebhookState, verified: VerifiedRequest) -> Result<(), WebhookRejection> {
    let services = &state.services;
    let receipt = receipt_of(verified.account, &verified.form, &verified.query);
    let is_known = match receipt.map_err(|_| WebhookRejection::Status(StatusCode::BAD_REQUEST))? {
        Some(receipt) => receive_receipt(services, receipt).await?,
        None => false,
    };
    if is_known {
        state.metrics.receipt(ReceiptOutcome::Taken);
        return Ok(());
    }
    let held = quarantine_receipt(services, verified.account, verified.form).await?;
    state.metrics.text(outcome(held.map_err(|_| WebhookRejection::Status(StatusCode::BAD_REQUEST))?));
    Ok(())
}

fn outcome(outcome: InboundOutcome) -> TextOutcome {
    match outcome {
        InboundOutcome::Stored(..) => TextOutcome::Stored,
        InboundOutcome::Duplicate => TextOutcome::Duplicate,
        InboundOutcome::Quarantined => TextOutcome::Quarantined,
    }
}
