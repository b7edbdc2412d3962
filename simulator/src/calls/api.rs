//! The parts of Twilio's REST API for calls and recordings.
//! Source: Twilio, "Call resource"; "Recordings resource".

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::Url;

use super::super::api::{authorize, error};
use super::super::api_faults::{CallRefusal, RecordingFault};
use super::super::carrier::Carrier;
use super::super::settings::Account;
use super::super::webhook::Method;
use super::outbound::CallRequest;
use super::run::StatusCallbacks;
use super::store::{Entry, Recording};
use super::twiml::{Endpoint, is_phone};

const MAX_BODY_BYTES: usize = 64 * 1024;
/// Source: Twilio, "Recordings resource", parameter `PageSize`.
const RECORDINGS_PER_PAGE: usize = 50;
const VERSION: &str = "2010-04-01";
const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];
/// Seconds that a phone rings. Source: Twilio, "Call resource", parameter `Timeout`.
const DEFAULT_RING_SECONDS: u32 = 60;
const MAX_RING_SECONDS: u32 = 600;
/// The length and the header of a silent MPEG-1 layer III frame at 128 kbit/s and 44.1 kHz.
/// Source: ISO/IEC 11172-3, 2.4.1.3.
const FRAME_BYTES: usize = 417;
const FRAME_HEADER: [u8; 4] = [0xff, 0xfb, 0x90, 0x00];

pub(crate) fn router() -> Router<Arc<Carrier>> {
    let accounts = Router::new()
        .route("/Accounts/{account}/Calls.json", post(create))
        .route("/Accounts/{account}/Calls/{call}", get(fetch).post(update).delete(delete_call))
        .route("/Accounts/{account}/Calls/{call}/Recordings.json", get(recordings))
        .route("/Accounts/{account}/Recordings/{recording}", get(recording).delete(delete_recording))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new().nest("/2010-04-01", accounts)
}

type FormFields = Vec<(String, String)>;

fn field<'a>(fields: &'a FormFields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn rejection(code: u32) -> Response {
    let message = match code {
        21201 => "No 'To' number specified",
        21210 => "The source phone number provided is not yet verified for your account.",
        21211 => "The 'To' number is not a valid phone number.",
        21212 => "The 'From' number is not a valid phone number.",
        21213 => "No 'From' number specified",
        21205 => "Url parameter is not a valid URL.",
        _ => "The call was rejected.",
    };
    error(StatusCode::BAD_REQUEST, code, message)
}

async fn create(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Form(form): Form<FormFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    if let Some(CallRefusal { status, code }) = carrier.api_faults().calls {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        return error(status, code, "The call was rejected.");
    }
    match validate(account, &form) {
        Ok(request) => {
            let entry = carrier.place_call(account, request);
            (StatusCode::CREATED, Json(call_json(&entry))).into_response()
        }
        Err(code) => rejection(code),
    }
}

/// Checks a request; the error is Twilio's code.
fn validate(account: &Account, form: &FormFields) -> Result<CallRequest, u32> {
    let (to, from) = (field(form, "To").ok_or(21201_u32)?, field(form, "From").ok_or(21213_u32)?);
    if !is_phone(to) {
        return Err(21211);
    }
    if !is_phone(from) {
        return Err(21212);
    }
    if !account.has(from) {
        return Err(21210);
    }
    let url = field(form, "Url").filter(|url| is_absolute(url)).ok_or(21205_u32)?;
    let callback = field(form, "StatusCallback");
    if callback.is_some_and(|callback| !is_absolute(callback)) {
        return Err(21205);
    }
    let method = |name: &str| if field(form, name) == Some("GET") { Method::Get } else { Method::Post };
    // Twilio's client libraries repeat the field. Several events in one field, separated by spaces, are also accepted.
    let requested = form.iter().filter(|(name, _)| name == "StatusCallbackEvent");
    let requested = requested.flat_map(|(_, value)| value.split_ascii_whitespace());
    let mut events: Vec<String> = requested.filter(|event| EVENTS.contains(event)).map(str::to_owned).collect();
    if events.is_empty() {
        events.push("completed".to_owned());
    }
    let endpoint = Endpoint { address: callback.map(str::to_owned), method: method("StatusCallbackMethod") };
    let timeout = field(form, "Timeout").and_then(|seconds| seconds.parse().ok()).unwrap_or(DEFAULT_RING_SECONDS);
    Ok(CallRequest {
        from: from.to_owned(),
        to: to.to_owned(),
        url: url.to_owned(),
        method: method("Method"),
        timeout: timeout.clamp(1, MAX_RING_SECONDS),
        callbacks: StatusCallbacks { endpoint, events },
    })
}

fn is_absolute(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.calls.entry(&account.sid, call.trim_end_matches(".json")) {
        Some(entry) => Json(call_json(&entry)).into_response(),
        None => not_found(),
    }
}

/// Ends a call or leg. Other changes are not supported.
/// Source: Twilio, "Call resource: update a call".
async fn update(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, call)): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<FormFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let sid = call.trim_end_matches(".json");
    let Some(entry) = carrier.calls.entry(&account.sid, sid) else { return not_found() };
    match field(&form, "Status") {
        Some("completed" | "canceled") if entry.seconds.is_none() => {
            carrier.calls.request_end(sid);
            Json(call_json(&entry)).into_response()
        }
        Some("completed" | "canceled") => {
            error(StatusCode::BAD_REQUEST, 21220, "Invalid call state: the call is not in-progress.")
        }
        _ => error(
            StatusCode::BAD_REQUEST,
            21218,
            "The simulator supports no change other than Status=completed or Status=canceled.",
        ),
    }
}

fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found")
}

fn rfc_2822(at: DateTime<Utc>) -> String {
    at.to_rfc2822()
}

fn call_json(entry: &Entry) -> Value {
    let uri = format!("/{VERSION}/Accounts/{}/Calls/{}", entry.account, entry.sid);
    let ended = entry.seconds.map(|_| rfc_2822(entry.updated));
    json!({
        "sid": entry.sid,
        "account_sid": entry.account,
        "parent_call_sid": entry.parent,
        "from": entry.from,
        "from_formatted": entry.from,
        "to": entry.to,
        "to_formatted": entry.to,
        "phone_number_sid": null,
        "status": entry.status,
        "direction": entry.direction.as_str(),
        "duration": entry.seconds.map(|seconds| seconds.to_string()),
        "start_time": rfc_2822(entry.created),
        "end_time": ended,
        "date_created": rfc_2822(entry.created),
        "date_updated": rfc_2822(entry.updated),
        "answered_by": null,
        "caller_name": null,
        "forwarded_from": null,
        "group_sid": null,
        "price": null,
        "price_unit": "USD",
        "api_version": VERSION,
        "uri": format!("{uri}.json"),
        "subresource_uris": {"recordings": format!("{uri}/Recordings.json")},
    })
}

async fn recording(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.api_faults().recording {
        Some(RecordingFault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            return error(status, 20000 + u32::from(status.as_u16()), "The recording was rejected.");
        }
        Some(RecordingFault::NotAudio) => {
            return ([(CONTENT_TYPE, "application/octet-stream")], "secret").into_response();
        }
        None => {}
    }
    let (recording_sid, kind) = name.split_once('.').unwrap_or((&name, "mp3"));
    match (carrier.calls.recording(&account.sid, recording_sid), kind) {
        (Some(recording), "json") => Json(recording_json(&recording, recording_sid)).into_response(),
        (Some(recording), "mp3") if recording.seconds > 0 => {
            let silence = silence(carrier.settings.recording_bytes);
            ([(CONTENT_TYPE, "audio/mpeg")], silence).into_response()
        }
        _ => not_found(),
    }
}

/// Source: Twilio, "Recordings resource: delete a recording".
async fn delete_recording(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, recording)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.calls.delete_recording(&account.sid, recording.trim_end_matches(".json")) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => not_found(),
    }
}

/// Source: Twilio, "Call resource: delete a call".
async fn delete_call(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.calls.delete_call(&account.sid, call.trim_end_matches(".json")) {
        Some(true) => StatusCode::NO_CONTENT.into_response(),
        Some(false) => error(StatusCode::CONFLICT, 20009, "Cannot delete a call that is in progress"),
        None => not_found(),
    }
}

/// The recordings of a call, newest first. Source: Twilio, "REST API: requests, responses and paging".
async fn recordings(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, call)): Path<(String, String)>,
    headers: HeaderMap,
    Query(query): Query<FormFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    if carrier.calls.entry(&account.sid, &call).is_none() {
        return not_found();
    }
    let number = |name: &str| field(&query, name).and_then(|value| value.parse().ok());
    let (size, page) = (number("PageSize").unwrap_or(RECORDINGS_PER_PAGE).max(1), number("Page").unwrap_or(0));
    let found = carrier.calls.recordings_of(&account.sid, &call);
    let start = page.saturating_mul(size);
    let rows: Vec<Value> =
        found.iter().skip(start).take(size).map(|(sid, recording)| recording_json(recording, sid)).collect();
    let uri = |page: usize| {
        format!("/{VERSION}/Accounts/{}/Calls/{call}/Recordings.json?PageSize={size}&Page={page}", account.sid)
    };
    let next = (start.saturating_add(size) < found.len()).then(|| uri(page + 1));
    Json(json!({"recordings": rows, "page": page, "page_size": size, "uri": uri(page), "next_page_uri": next}))
        .into_response()
}

fn recording_json(recording: &Recording, sid: &str) -> Value {
    let uri = format!("/{VERSION}/Accounts/{}/Recordings/{sid}", recording.account);
    json!({
        "sid": sid,
        "account_sid": recording.account,
        "call_sid": recording.call,
        "duration": recording.seconds.to_string(),
        "channels": 1,
        "source": "RecordVerb",
        "status": recording.status(),
        "date_created": rfc_2822(recording.created),
        "start_time": rfc_2822(recording.created),
        "api_version": VERSION,
        "uri": format!("{uri}.json"),
    })
}

/// Silent MP3 frames of this total length. The last frame may be incomplete.
fn silence(bytes: usize) -> Vec<u8> {
    let byte_at = |n: usize| FRAME_HEADER.get(n % FRAME_BYTES).copied().unwrap_or(0);
    (0..bytes).map(byte_at).collect()
}
