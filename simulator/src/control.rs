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
use serde_json::{Value, json};

use super::api_faults::ApiFaults;
use super::calls::{CallScript, CallbackFault, CarriedCall, PhoneScript};
use super::carrier::Carrier;
use super::faults::{Fault, Match};
use super::inbound::{InboundError, InboundText, ReceivedText};
use super::ledger::{PhoneText, SentText};
use super::list_faults::ListFault;
use super::media::{MediaFault, StoredMedia};

const MAX_BODY_BYTES: usize = 1 << 20;
/// Enough for ten files of 30 MB in Base64.
const MAX_MEDIA_BODY_BYTES: usize = 400 << 20;

pub(super) fn router() -> Router<Arc<Carrier>> {
    let texts = Router::new()
        .route("/simulator/texts", post(text))
        .route("/simulator/carried-texts", post(carried_texts))
        .route("/simulator/media/{sid}/fault", put(media_fault))
        .layer(DefaultBodyLimit::max(MAX_MEDIA_BODY_BYTES));
    Router::new()
        .route("/simulator/messages/{sid}/webhook", post(repeat_webhook))
        .route("/simulator/messages/{sid}/media", get(media))
        .route("/simulator/list-faults", post(list_fault))
        .route("/simulator/carried-calls", post(carried_calls))
        .route("/simulator/voice-fallback", put(voice_fallback))
        .route("/simulator/phones/{phone}/texts", get(phone))
        .route("/simulator/calls", post(call))
        .route("/simulator/calls/{sid}", get(call_record))
        .route("/simulator/phones/{phone}/script", put(script))
        .route("/simulator/callback-fault", put(callback_fault))
        .route("/simulator/faults", post(fault))
        .route("/simulator/api-faults", put(api_faults))
        .route("/simulator/accounts/{sid}", put(account))
        .route("/simulator/ledger", get(ledger))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .merge(texts)
}

async fn text(State(carrier): State<Arc<Carrier>>, Json(text): Json<InboundText>) -> Response {
    match carrier.text(text).await {
        Ok(received) => Json(received_json(&received)).into_response(),
        Err(error) => inbound_error(error),
    }
}

fn received_json(received: &ReceivedText) -> Value {
    let status = received.status.map(|status| status.as_u16());
    json!({"sid": received.sid, "media": received.media, "status": status})
}

fn inbound_error(error: InboundError) -> Response {
    let status = match error {
        InboundError::UnknownNumber(_) => StatusCode::NOT_FOUND,
        InboundError::TooManyFiles => StatusCode::BAD_REQUEST,
    };
    (status, Json(json!({"error": error.to_string()}))).into_response()
}

/// Adds texts without any webhook. The first one that is not accepted ends the request.
async fn carried_texts(State(carrier): State<Arc<Carrier>>, Json(texts): Json<Vec<InboundText>>) -> Response {
    let carried: Result<Vec<_>, _> = texts.into_iter().map(|text| carrier.carry_text(text)).collect();
    match carried {
        Ok(texts) => Json(texts.iter().map(received_json).collect::<Vec<_>>()).into_response(),
        Err(error) => inbound_error(error),
    }
}

/// Sends the webhook of a stored text once more.
async fn repeat_webhook(State(carrier): State<Arc<Carrier>>, Path(sid): Path<String>) -> Json<Value> {
    let status = carrier.send_webhook_of(&sid).await;
    Json(json!({"status": status.map(|status| status.as_u16())}))
}

/// The media of a message.
async fn media(State(carrier): State<Arc<Carrier>>, Path(sid): Path<String>) -> Json<Vec<StoredMedia>> {
    Json(carrier.media(&sid))
}

/// The body `null` removes the fault.
async fn media_fault(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    Json(fault): Json<Option<MediaFault>>,
) -> StatusCode {
    let is_known = carrier.state().media.set_fault(&sid, fault);
    if is_known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn list_fault(State(carrier): State<Arc<Carrier>>, Json(fault): Json<ListFault>) -> StatusCode {
    carrier.state().list_faults.add(fault);
    StatusCode::NO_CONTENT
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

/// Adds calls without any webhook. The first one that is not accepted ends the request.
async fn carried_calls(State(carrier): State<Arc<Carrier>>, Json(calls): Json<Vec<CarriedCall>>) -> Response {
    let carried: Result<Vec<_>, _> = calls.iter().map(|call| carrier.carry_call(call)).collect();
    match carried {
        Ok(calls) => {
            let rows = calls.iter().map(|call| json!({"sid": call.call, "recordings": call.recordings}));
            Json(rows.collect::<Vec<_>>()).into_response()
        }
        Err(error) => (StatusCode::NOT_FOUND, Json(json!({"error": error.to_string()}))).into_response(),
    }
}

/// The body is TwiML as a JSON string, or `null` for the configured fallback URL.
async fn voice_fallback(State(carrier): State<Arc<Carrier>>, Json(twiml): Json<Option<String>>) -> StatusCode {
    carrier.calls.set_voice_fallback(twiml);
    StatusCode::NO_CONTENT
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
