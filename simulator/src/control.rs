//! Routes under `/simulator`, which Twilio does not have. They do what the methods of [`super::Simulator`] do, for
//! processes other than the one that runs the simulator. They require no authentication.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::api_faults::ApiFaults;
use super::calls::{CallScript, CallbackFault, PhoneScript};
use super::carrier::Carrier;
use super::faults::{Fault, Match};
use super::ledger::{PhoneText, SentText};

pub(super) fn router() -> Router<Arc<Carrier>> {
    Router::new()
        .route("/simulator/texts", post(text))
        .route("/simulator/phones/{phone}/texts", get(phone))
        .route("/simulator/calls", post(call))
        .route("/simulator/calls/{sid}", get(call_record))
        .route("/simulator/phones/{phone}/script", put(script))
        .route("/simulator/callback-fault", put(callback_fault))
        .route("/simulator/faults", post(fault))
        .route("/simulator/api-faults", put(api_faults))
        .route("/simulator/accounts/{sid}", put(account))
        .route("/simulator/ledger", get(ledger))
        .layer(DefaultBodyLimit::max(64 * 1024))
}

#[derive(Deserialize)]
struct Text {
    from: String,
    to: String,
    body: String,
}

async fn text(State(carrier): State<Arc<Carrier>>, Json(text): Json<Text>) -> Response {
    match carrier.text(&text.from, &text.to, &text.body).await {
        Ok((sid, status)) => Json(json!({"sid": sid, "status": status.map(|status| status.as_u16())})).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, Json(json!({"error": error.to_string()}))).into_response(),
    }
}

async fn phone(State(carrier): State<Arc<Carrier>>, Path(phone): Path<String>) -> Json<Vec<PhoneText>> {
    Json(carrier.phone(&phone))
}

#[derive(Deserialize)]
struct FaultRequest {
    #[serde(flatten)]
    fault: Fault,
    to: Option<String>,
    times: Option<u32>,
}

async fn fault(State(carrier): State<Arc<Carrier>>, Json(request): Json<FaultRequest>) -> StatusCode {
    let which = request.to.map_or_else(Match::any, Match::to).times(request.times.unwrap_or(1));
    match carrier.add_fault(request.fault, which) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// Replaces all faults of the REST API.
async fn api_faults(State(carrier): State<Arc<Carrier>>, Json(faults): Json<ApiFaults>) -> StatusCode {
    carrier.set_api_faults(faults);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountChange {
    promote_token: Option<SecretString>,
    suspended: Option<bool>,
}

/// Changes an account. Fields that are left out stay as they are.
async fn account(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    Json(change): Json<AccountChange>,
) -> StatusCode {
    let Some(account) = carrier.account(&sid) else { return StatusCode::NOT_FOUND };
    if let Some(token) = change.promote_token {
        account.promote(token);
    }
    if let Some(suspended) = change.suspended {
        account.suspend(suspended);
    }
    StatusCode::NO_CONTENT
}

async fn ledger(State(carrier): State<Arc<Carrier>>) -> Json<Vec<SentText>> {
    Json(carrier.accepted())
}

/// Responds when the call has ended. The call runs in a task of its own, so that it continues if the client
/// disconnects.
async fn call(State(carrier): State<Arc<Carrier>>, Json(script): Json<CallScript>) -> Response {
    match tokio::spawn(async move { carrier.call(script).await }).await {
        Ok(Ok(record)) => Json(record).into_response(),
        Ok(Err(error)) => (StatusCode::NOT_FOUND, Json(json!({"error": error.to_string()}))).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn call_record(State(carrier): State<Arc<Carrier>>, Path(sid): Path<String>) -> Response {
    match carrier.calls.record(&sid) {
        Some(record) => Json(record).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn script(
    State(carrier): State<Arc<Carrier>>,
    Path(phone): Path<String>,
    Json(script): Json<PhoneScript>,
) -> StatusCode {
    carrier.calls.set_phone(phone, script);
    StatusCode::NO_CONTENT
}

/// The body `null` removes the fault.
async fn callback_fault(State(carrier): State<Arc<Carrier>>, Json(fault): Json<Option<CallbackFault>>) -> StatusCode {
    carrier.calls.set_callback_fault(fault);
    StatusCode::NO_CONTENT
}
