//! The parts of Twilio's REST API for texts and phone numbers.
//! Source: Twilio, "Messages resource"; "IncomingPhoneNumbers resource"; "Twilio's request and response".

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::api_faults::Listing;
use super::carrier::{Carrier, MessageRequest, SendOutcome};
use super::connection::close_connection;
use super::ledger::MessageStatus;
use super::list_faults::List;
use super::media::MAX_FILES;
use super::message_list::{list, message_json};
use super::paging::{QueryFields, field};
use super::settings::{Account, split_channel};

const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_CHARS: usize = 1_600;
/// Source: Twilio, "Messages resource", parameter `ValidityPeriod`.
const VALIDITY_SECONDS: std::ops::RangeInclusive<u32> = 1..=36_000;
pub(super) const VERSION: &str = "2010-04-01";

pub(super) fn router() -> Router<Arc<Carrier>> {
    let accounts = Router::new()
        .route("/Accounts/{account}", get(account))
        .route("/Accounts/{account}/Messages.json", get(list).post(create))
        .route("/Accounts/{account}/Messages/{message}", get(fetch).delete(delete))
        .route("/Accounts/{account}/IncomingPhoneNumbers.json", get(numbers))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new().nest("/2010-04-01", accounts)
}

pub(super) fn error(status: StatusCode, code: u32, message: &str) -> Response {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({"code": code, "message": message, "more_info": more_info, "status": status.as_u16()});
    (status, Json(body)).into_response()
}

pub(super) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found")
}

/// The response to a request for a list if a fault was set.
pub(super) fn list_error(carrier: &Carrier, list: List) -> Option<Response> {
    let fault = carrier.state().list_faults.take(list)?;
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = error(status, 20_000 + u32::from(status.as_u16()), "The list was not returned.");
    if let Some(seconds) = fault.seconds {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    Some(response)
}

fn rejection(code: u32) -> Response {
    let message = match code {
        21211 => "The 'To' number is not a valid phone number.",
        21602 => "Message body is required.",
        21603 => "A 'From' phone number is required.",
        21604 => "A 'To' phone number is required.",
        21606 => "The 'From' phone number does not belong to the account.",
        21610 => "The recipient has unsubscribed from this number.",
        21609 => "The 'StatusCallback' URL is not a valid URL.",
        21611 => "This 'From' number has exceeded the maximum number of queued messages.",
        21910 => "The 'From' and 'To' addresses must use the same channel.",
        21620 => "A 'MediaUrl' is not a valid URL.",
        21623 => "The number of media files exceeds the limit of 10.",
        21617 => "The message body exceeds the 1600 character limit.",
        _ => "The message was rejected.",
    };
    error(StatusCode::BAD_REQUEST, code, message)
}

/// The account with this SID, if the request is authenticated as it.
pub(super) fn authorize<'a>(
    carrier: &'a Carrier,
    sid: &str,
    headers: &HeaderMap,
) -> Result<&'a Account, Box<Response>> {
    authenticate(carrier, headers)
        .and_then(|account| if account.sid == sid.trim_end_matches(".json") { Ok(account) } else { Err(denied()) })
}

fn denied() -> Box<Response> {
    Box::new(error(StatusCode::UNAUTHORIZED, 20003, "Authentication Error - invalid credentials"))
}

/// The account whose token or API key the request carries.
pub(super) fn authenticate<'a>(carrier: &'a Carrier, headers: &HeaderMap) -> Result<&'a Account, Box<Response>> {
    let encoded = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded = encoded.and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok());
    let credentials = decoded.ok_or_else(denied)?;
    let (username, password) = credentials.split_once(':').ok_or_else(denied)?;
    let account =
        carrier.settings.accounts.iter().find(|account| account.accepts(username, password)).ok_or_else(denied)?;
    if account.is_suspended() {
        return Err(Box::new(error(StatusCode::FORBIDDEN, 20005, "Account not active")));
    }
    Ok(account)
}

async fn account(State(carrier): State<Arc<Carrier>>, Path(sid): Path<String>, headers: HeaderMap) -> Response {
    match authorize(&carrier, &sid, &headers) {
        Ok(account) => Json(json!({"sid": account.sid, "status": "active", "type": "Full"})).into_response(),
        Err(denied) => *denied,
    }
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
    let request = match validate(account, &form) {
        Ok(request) => request,
        Err(code) => return rejection(code),
    };
    match carrier.send(account, request).await {
        SendOutcome::Created(message) => {
            (StatusCode::CREATED, Json(message_json(&message, Listing::Whole))).into_response()
        }
        SendOutcome::Rejected(code) => rejection(code),
        SendOutcome::RejectedWith(status, code, seconds) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = error(status, code, "The message was rejected.");
            if let Some(seconds) = seconds {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response
        }
        SendOutcome::TooManyRequests(seconds) => {
            let response = error(StatusCode::TOO_MANY_REQUESTS, 20429, "Too many requests");
            ([(RETRY_AFTER, seconds.to_string())], response).into_response()
        }
        SendOutcome::ServerError => error(StatusCode::INTERNAL_SERVER_ERROR, 20500, "Internal server error"),
        SendOutcome::CloseConnection => close_connection(),
    }
}

/// Checks a request; the error is Twilio's code.
fn validate(account: &Account, form: &QueryFields) -> Result<MessageRequest, u32> {
    let (to, from) = (field(form, "To").ok_or(21604_u32)?, field(form, "From").ok_or(21603_u32)?);
    let media_urls: Vec<String> = form
        .iter()
        .filter(|(name, value)| name == "MediaUrl" && !value.is_empty())
        .map(|(_, url)| url.clone())
        .collect();
    let body = match field(form, "Body") {
        None if media_urls.is_empty() => return Err(21602),
        body => body.unwrap_or_default(),
    };
    if media_urls.len() > MAX_FILES {
        return Err(21623);
    }
    if !media_urls.iter().all(|url| is_absolute(url)) {
        return Err(21620);
    }
    let is_number = |text: &str| {
        let digits = split_channel(text).1.trim_start_matches('+');
        (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    };
    if !is_number(to) {
        return Err(21211);
    }
    if !account.has(from) {
        return Err(21606);
    }
    if split_channel(from).0 != split_channel(to).0 {
        return Err(21910);
    }
    if body.chars().count() > MAX_CHARS {
        return Err(21617);
    }
    let validity_seconds = field(form, "ValidityPeriod").map(|seconds| seconds.parse().map_err(|_| 20001_u32));
    let validity_seconds = validity_seconds.transpose()?;
    if validity_seconds.is_some_and(|seconds| !VALIDITY_SECONDS.contains(&seconds)) {
        return Err(20001);
    }
    let status_callback = field(form, "StatusCallback").map(str::to_owned);
    let (from, to, body) = (from.to_owned(), to.to_owned(), body.to_owned());
    Ok(MessageRequest { from, to, body, media_urls, status_callback, validity_seconds })
}

/// True if the text is an HTTP URL with a host.
pub(super) fn is_absolute(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.message(&account.sid, message.trim_end_matches(".json")) {
        Some(message) => Json(message_json(&message, carrier.api_faults().listing)).into_response(),
        None => not_found(),
    }
}

/// Source: Twilio, "Error 20009: Cannot delete this resource before it is complete".
pub(super) fn incomplete() -> Response {
    error(StatusCode::CONFLICT, 20009, "Cannot delete this resource before it is complete")
}

/// Also deletes the media of the message.
async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let sid = message.trim_end_matches(".json");
    match carrier.message(&account.sid, sid) {
        Some(message) if message.status == MessageStatus::Queued => incomplete(),
        Some(_) => {
            carrier.delete_message(sid);
            StatusCode::NO_CONTENT.into_response()
        }
        None => not_found(),
    }
}

async fn numbers(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Query(query): Query<QueryFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    // An account without a list of numbers has every number.
    let filter = field(&query, "PhoneNumber");
    let numbers: Vec<&str> = match filter {
        Some(number) => account.has(number).then_some(number).into_iter().collect(),
        None => account.numbers.iter().map(String::as_str).collect(),
    };
    let numbers: Vec<Value> = numbers
        .into_iter()
        .map(|number| {
            let sms_url = carrier.settings.sms_url_of(number);
            json!({
                "sid": format!("PN{:0>32}", number.trim_start_matches('+')),
                "account_sid": account.sid,
                "phone_number": number,
                "friendly_name": number,
                "capabilities": {"voice": true, "sms": true, "mms": true, "fax": false},
                "sms_url": sms_url,
                "sms_method": "POST",
                "sms_fallback_url": sms_url,
                "sms_fallback_method": "POST",
                "sms_application_sid": "",
                "voice_url": carrier.settings.voice_url,
                "voice_method": "POST",
                "voice_fallback_url": carrier.voice_fallback_url(),
                "voice_fallback_method": "POST",
                "voice_application_sid": "",
                "trunk_sid": null,
                "status_callback": carrier.settings.voice_status_url.as_deref().unwrap_or_default(),
                "status_callback_method": "POST",
            })
        })
        .collect();
    Json(json!({"incoming_phone_numbers": numbers, "page": 0, "next_page_uri": null})).into_response()
}
