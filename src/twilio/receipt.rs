//! `POST /api/twilio/message-status`: delivery receipts. The response is 2xx only after the receipt has been stored.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::sms::store_text;
use super::verified::{WebhookRejection, verify, with_deadline};
use super::{WebhookState, twiml};
use crate::domain::inbound_form::{FormKind, kind_of};
use crate::metrics::ReceiptOutcome;
use crate::service::receive_receipt::{receipt_of, receive_receipt};

pub(super) async fn receive(State(state): State<WebhookState>, request: Request) -> Response {
    match with_deadline(&state.services, "a receipt", handle(&state, request)).await {
        Ok(()) => twiml::empty_response(),
        Err(status) => {
            let failed = status.is_server_error();
            state.metrics.receipt(if failed { ReceiptOutcome::Failed } else { ReceiptOutcome::Refused });
            status.into_response()
        }
    }
}

async fn handle(state: &WebhookState, request: Request) -> Result<(), WebhookRejection> {
    let verified = verify(&state.services, &state.receipts_url, request).await?;
    if kind_of(&verified.form) == FormKind::Text {
        // The webhook of a number is misconfigured, but the text must not be lost.
        return store_text(state, verified).await;
    }
    let receipt = receipt_of(verified.account, &verified.form, &verified.query);
    if let Some(receipt) = receipt.map_err(|_| WebhookRejection::Status(StatusCode::BAD_REQUEST))? {
        receive_receipt(&state.services, receipt).await?;
    }
    state.metrics.receipt(ReceiptOutcome::Taken);
    Ok(())
}
