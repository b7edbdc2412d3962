//! `POST /api/twilio/message-status`: a delivery receipt. The answer is 2xx only once it is durable.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::verified::{Refused, verify};
use super::{ANSWER_WITHIN, WebhookState, twiml};
use crate::rest::metrics::ReceiptOutcome;
use crate::service::receive_receipt::{receipt_of, receive_receipt};

pub(super) async fn receive(State(state): State<WebhookState>, request: Request) -> Response {
    let taken = tokio::select! {
        taken = take(&state, request) => taken,
        () = state.services.clock.sleep(ANSWER_WITHIN) => {
            tracing::error!("a receipt was not stored in time; Twilio is told to send it again");
            Err(Refused::With(StatusCode::SERVICE_UNAVAILABLE))
        }
    };
    match taken {
        Ok(()) => {
            state.metrics.receipt(ReceiptOutcome::Taken);
            twiml::nothing()
        }
        Err(Refused::With(status)) => {
            let failed = status.is_server_error();
            state.metrics.receipt(if failed { ReceiptOutcome::Failed } else { ReceiptOutcome::Refused });
            status.into_response()
        }
        Err(Refused::Fault(fault)) => {
            tracing::error!(error = %fault, "a receipt was not stored; Twilio is told to send it again");
            state.metrics.receipt(ReceiptOutcome::Failed);
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn take(state: &WebhookState, request: Request) -> Result<(), Refused> {
    let verified = verify(&state.services, &state.receipts_url, request).await?;
    let receipt = receipt_of(verified.account, &verified.form, &verified.query);
    match receipt.map_err(|_| Refused::With(StatusCode::BAD_REQUEST))? {
        Some(receipt) => Ok(receive_receipt(&state.services, receipt).await?),
        None => Ok(()),
    }
}
