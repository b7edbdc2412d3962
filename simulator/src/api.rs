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
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::api_faults::Listing;
use super::carrier::{Carrier, MessageRequest, SendOutcome};
use super::connection::close_connection;
use super::ledger::Message;
use super::settings::{Account, split_channel};

const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_CHARS: usize = 1_600;
const PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1_000;
/// Source: Twilio, "Messages resource", parameter `ValidityPeriod`.
const VALIDITY_SECONDS: std::ops::RangeInclusive<u32> = 1..=36_000;
const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";
const VERSION: &str = "2010-04-01";

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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    to: Option<String>,
    from: Option<String>,
    body: Option<String>,
    status_callback: Option<String>,
    validity_period: Option<u32>,
}

async fn create(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Create>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let request = match validate(account, form) {
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
fn validate(account: &Account, form: Create) -> Result<MessageRequest, u32> {
    let required = |field: Option<String>, code: u32| field.filter(|value| !value.is_empty()).ok_or(code);
    let (to, from) = (required(form.to, 21604)?, required(form.from, 21603)?);
    let body = required(form.body, 21602)?;
    let is_number = |text: &str| {
        let digits = split_channel(text).1.trim_start_matches('+');
        (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    };
    if !is_number(&to) {
        return Err(21211);
    }
    if !account.has(&from) {
        return Err(21606);
    }
    if split_channel(&from).0 != split_channel(&to).0 {
        return Err(21910);
    }
    if body.chars().count() > MAX_CHARS {
        return Err(21617);
    }
    if form.validity_period.is_some_and(|seconds| !VALIDITY_SECONDS.contains(&seconds)) {
        return Err(20001);
    }
    let status_callback = form.status_callback.filter(|url| !url.is_empty());
    Ok(MessageRequest { from, to, body, status_callback, validity_seconds: form.validity_period })
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
        None => error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found"),
    }
}

/// Source: Twilio, "Messages resource: delete a message".
async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.delete_message(&account.sid, message.trim_end_matches(".json")) {
        Some(true) => StatusCode::NO_CONTENT.into_response(),
        Some(false) => error(StatusCode::CONFLICT, 20009, "Cannot delete message because delivery is not completed"),
        None => error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found"),
    }
}

type QueryFields = Vec<(String, String)>;

fn field<'a>(fields: &'a QueryFields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

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
    let dates = ["DateSent", "DateSent<", "DateSent>"].map(|name| field(&query, name).map(parse_date));
    if dates.contains(&Some(None)) {
        return error(StatusCode::BAD_REQUEST, 20001, "Invalid date: use YYYY-MM-DD or RFC 3339");
    }
    let [on, before, after] = dates.map(Option::flatten);
    let matches = |message: &Message| {
        let sent = |matches: &dyn Fn(DateTime<Utc>) -> bool| message.sent.is_some_and(matches);
        message.account == account.sid
            && field(&query, "To").is_none_or(|to| message.to == to)
            && field(&query, "From").is_none_or(|from| message.from == from)
            && on.is_none_or(|on| sent(&|at| at.date_naive() == on.date_naive()))
            && before.is_none_or(|before| sent(&|at| at <= before))
            && after.is_none_or(|after| sent(&|at| at >= after))
    };
    let found = carrier.messages(matches);
    let size =
        field(&query, "PageSize").and_then(|size| size.parse().ok()).unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
    let page: usize = field(&query, "Page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let listing = carrier.api_faults().listing;
    Json(page_json(&account.sid, &query, &found, page, size, listing)).into_response()
}

fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).or_else(day)
}

fn page_json(
    account: &str,
    query: &QueryFields,
    found: &[Message],
    page: usize,
    size: usize,
    listing: Listing,
) -> Value {
    let uri = |page: usize, token: Option<&str>| {
        let mut to = form_urlencoded::Serializer::new(String::new());
        to.extend_pairs(query.iter().filter(|(name, _)| !["Page", "PageSize", "PageToken"].contains(&name.as_str())));
        to.append_pair("PageSize", &size.to_string()).append_pair("Page", &page.to_string());
        if let Some(token) = token {
            to.append_pair("PageToken", token);
        }
        format!("/{VERSION}/Accounts/{account}/Messages.json?{}", to.finish())
    };
    let start = page.saturating_mul(size).min(found.len());
    let end = start.saturating_add(size).min(found.len());
    let mut messages: Vec<Value> = found[start..end].iter().map(|message| message_json(message, listing)).collect();
    if listing == Listing::Null {
        let fields = messages.first().and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys());
        let null_message: Value =
            fields.map(|name| (name.clone(), Value::Null)).collect::<serde_json::Map<_, _>>().into();
        messages.push(null_message);
    }
    let last_sid = end.checked_sub(1).and_then(|at| found.get(at)).map(|message| format!("PA{}", message.sid));
    let next = (end < found.len()).then(|| uri(page + 1, last_sid.as_deref()));
    let previous = page.checked_sub(1).map(|page| uri(page, None));
    json!({
        "messages": messages,
        "first_page_uri": uri(0, None),
        "next_page_uri": next,
        "previous_page_uri": previous,
        "page": page,
        "page_size": size,
        "start": start,
        "end": end.saturating_sub(1),
        "uri": uri(page, None),
    })
}

/// The approximate number of segments: an ASCII text counts as GSM-7, any other as UCS-2.
fn segments(body: &str) -> usize {
    let (length, single, part) = match body.is_ascii() {
        true => (body.len(), 160, 153),
        false => (body.encode_utf16().count(), 70, 67),
    };
    if length <= single { 1 } else { length.div_ceil(part) }
}

fn message_json(message: &Message, listing: Listing) -> Value {
    let nullable = |value: Value| if listing == Listing::Null { Value::Null } else { value };
    let body = match listing {
        Listing::Whole => json!(message.body),
        Listing::Redacted => json!(""),
        Listing::Null => Value::Null,
        Listing::Trial => json!(format!("{TRIAL_PREFIX}{}", message.body)),
    };
    let at = |at: DateTime<Utc>| at.to_rfc2822();
    let uri = format!("/{VERSION}/Accounts/{}/Messages/{}", message.account, message.sid);
    json!({
        "sid": message.sid,
        "account_sid": nullable(json!(message.account)),
        "messaging_service_sid": null,
        "from": nullable(json!(message.from)),
        "to": nullable(json!(message.to)),
        "body": body,
        "status": message.status.as_str(),
        "direction": message.direction.as_str(),
        "num_segments": nullable(json!(segments(&message.body).to_string())),
        "num_media": nullable(json!("0")),
        "price": null,
        "price_unit": nullable(json!("USD")),
        "error_code": nullable(json!(message.error_code)),
        "error_message": null,
        "date_created": at(message.created),
        "date_updated": nullable(json!(at(message.updated))),
        "date_sent": nullable(json!(message.sent.map(at))),
        "api_version": nullable(json!(VERSION)),
        "uri": nullable(json!(format!("{uri}.json"))),
        "subresource_uris": nullable(json!({"media": format!("{uri}/Media.json")})),
    })
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
                "voice_fallback_url": carrier.settings.voice_fallback_url(),
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
