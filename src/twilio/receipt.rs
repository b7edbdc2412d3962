//! `POST /api/twilio/message-status`: a delivery receipt. The answer is 2xx only once it is durable.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::sms::take_text;
use super::verified::{Refused, in_time, verify};
use super::{WebhookState, twiml};
use crate::domain::inbound_form::{FormKind, kind_of};
use crate::rest::metrics::ReceiptOutcome;
use crate::service::receive_receipt::{receipt_of, receive_receipt};

pub(super) async fn receive(State(state): State<WebhookState>, request: Request) -> Response {
    match in_time(&state.services, "a receipt", take(&state, request)).await {
        Ok(()) => twiml::nothing(),
        Err(status) => {
            let failed = status.is_server_error();
            state.metrics.receipt(if failed { ReceiptOutcome::Failed } else { ReceiptOutcome::Refused });
            status.into_response()
        }
    }
}

async fn take(state: &WebhookState, request: Request) -> Result<(), Refused> {
    let verified = verify(&state.services, &state.receipts_url, request).await?;
    if kind_of(&verified.form) == FormKind::Text {
        // A number's webhook is misconfigured; the text must not be lost.
        return take_text(state, verified).await;
    }
    let receipt = receipt_of(verified.account, &verified.form, &verified.query);
    if let Some(receipt) = receipt.map_err(|_| Refused::With(StatusCode::BAD_REQUEST))? {
        receive_receipt(&state.services, receipt).await?;
    }
    state.metrics.receipt(ReceiptOutcome::Taken);
    Ok(())
}
