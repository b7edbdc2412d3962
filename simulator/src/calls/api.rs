//! The parts of Twilio's REST API for calls.
//! Source: Twilio, "Call resource".

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::api::{VERSION, authorize, error, incomplete, is_absolute, list_error, not_found};
use super::super::api_faults::CallRefusal;
use super::super::carrier::Carrier;
use super::super::list_faults::List;
use super::super::paging::{DateFilter, LastDay, QueryFields, field, page_json};
use super::super::settings::Account;
use super::super::webhook::Method;
use super::outbound::CallRequest;
use super::run::StatusCallbacks;
use super::store::Entry;
use super::twiml::{Endpoint, is_phone};
use super::{recordings_api, twiml_bin};

const MAX_BODY_BYTES: usize = 64 * 1024;
const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];
/// Seconds that a phone rings. Source: Twilio, "Call resource", parameter `Timeout`.
const DEFAULT_RING_SECONDS: u32 = 60;
const MAX_RING_SECONDS: u32 = 600;

pub(crate) fn router() -> Router<Arc<Carrier>> {
    let accounts = Router::new()
        .route("/Accounts/{account}/Calls.json", get(list).post(create))
        .route("/Accounts/{account}/Calls/{call}", get(fetch).post(update).delete(delete))
        .merge(recordings_api::router())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new().nest("/2010-04-01", accounts).merge(twiml_bin::router())
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
    Form(form): Form<QueryFields>,
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
fn validate(account: &Account, form: &QueryFields) -> Result<CallRequest, u32> {
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

/// The calls and legs of an account, newest first.
async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Query(query): Query<QueryFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    if let Some(error) = list_error(&carrier, List::Calls) {
        return error;
    }
    let [started, ended] = ["StartTime", "EndTime"].map(|name| DateFilter::read(&query, name, LastDay::Excluded));
    let (started, ended) = match (started, ended) {
        (Ok(started), Ok(ended)) => (started, ended),
        (Err(invalid), _) | (_, Err(invalid)) => return *invalid,
    };
    let is = |name: &str, value: &str| field(&query, name).is_none_or(|wanted| wanted == value);
    let found = carrier.calls.calls(|entry| {
        entry.account == account.sid
            && is("To", &entry.to)
            && is("From", &entry.from)
            && is("Status", entry.status)
            && is("ParentCallSid", entry.parent.as_deref().unwrap_or_default())
            && started.matches(Some(entry.created))
            && ended.matches(entry.seconds.map(|_| entry.updated))
    });
    let path = format!("/{VERSION}/Accounts/{}/Calls.json", account.sid);
    Json(page_json(&path, "calls", &query, &found, |entry| &entry.sid, call_json)).into_response()
}

/// Deletes an ended call. Source: Twilio, "Call resource: delete a call".
async fn delete(
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
        Some(false) => incomplete(),
        None => not_found(),
    }
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
    Form(form): Form<QueryFields>,
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
        "queue_time": "0",
        "trunk_sid": null,
        "price": null,
        "price_unit": "USD",
        "api_version": VERSION,
        "uri": format!("{uri}.json"),
        "subresource_uris": {"recordings": format!("{uri}/Recordings.json")},
    })
}
