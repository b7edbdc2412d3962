//! Twilio's REST API, as far as texts and numbers need it.
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
use super::carrier::{Answer, Carrier, Wanted};
use super::connection::hang_up;
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
        .route("/Accounts/{account}/Messages/{message}", get(fetch))
        .route("/Accounts/{account}/IncomingPhoneNumbers.json", get(numbers))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new().nest("/2010-04-01", accounts)
}

pub(super) fn error(status: StatusCode, code: u32, message: &str) -> Response {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    let body = json!({"code": code, "message": message, "more_info": more_info, "status": status.as_u16()});
    (status, Json(body)).into_response()
}

fn refusal(code: u32) -> Response {
    let message = match code {
        21211 => "The 'To' number is not a valid phone number.",
        21602 => "Message body is required.",
        21603 => "A 'From' phone number is required.",
        21604 => "A 'To' phone number is required.",
        21606 => "The 'From' phone number is not one of the account's.",
        21610 => "The recipient has unsubscribed from this number.",
        21609 => "The 'StatusCallback' URL is not a valid URL.",
        21611 => "This 'From' number has exceeded the maximum number of queued messages.",
        21910 => "The 'From' and 'To' addresses are not of the same channel.",
        21617 => "The message body exceeds the 1600 character limit.",
        _ => "The message was refused.",
    };
    error(StatusCode::BAD_REQUEST, code, message)
}

/// The account of the address, if the request may act for it.
pub(super) fn authorised<'a>(
    carrier: &'a Carrier,
    sid: &str,
    headers: &HeaderMap,
) -> Result<&'a Account, Box<Response>> {
    owner(carrier, headers)
        .and_then(|account| if account.sid == sid.trim_end_matches(".json") { Ok(account) } else { Err(denied()) })
}

fn denied() -> Box<Response> {
    Box::new(error(StatusCode::UNAUTHORIZED, 20003, "Authentication Error - invalid credentials"))
}

/// The account whose token or API key the request carries.
pub(super) fn owner<'a>(carrier: &'a Carrier, headers: &HeaderMap) -> Result<&'a Account, Box<Response>> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let given = given.and_then(|given| String::from_utf8(STANDARD.decode(given).ok()?).ok()).ok_or_else(denied)?;
    let (username, password) = given.split_once(':').ok_or_else(denied)?;
    let account =
        carrier.settings.accounts.iter().find(|account| account.takes(username, password)).ok_or_else(denied)?;
    if account.is_suspended() {
        return Err(Box::new(error(StatusCode::FORBIDDEN, 20005, "Account not active")));
    }
    Ok(account)
}

async fn account(State(carrier): State<Arc<Carrier>>, Path(sid): Path<String>, headers: HeaderMap) -> Response {
    match authorised(&carrier, &sid, &headers) {
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
    let account = match authorised(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let wanted = match wanted(account, form) {
        Ok(wanted) => wanted,
        Err(code) => return refusal(code),
    };
    match carrier.send(account, wanted).await {
        Answer::Created(message) => (StatusCode::CREATED, Json(shown(&message, Listing::Whole))).into_response(),
        Answer::Refused(code) => refusal(code),
        Answer::RefusedWith(status, code, seconds) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut answer = error(status, code, "The message was refused.");
            if let Some(seconds) = seconds {
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            answer
        }
        Answer::TooManyRequests(seconds) => {
            let answer = error(StatusCode::TOO_MANY_REQUESTS, 20429, "Too many requests");
            ([(RETRY_AFTER, seconds.to_string())], answer).into_response()
        }
        Answer::ServerError => error(StatusCode::INTERNAL_SERVER_ERROR, 20500, "Internal server error"),
        Answer::HangUp => hang_up(),
    }
}

fn wanted(account: &Account, form: Create) -> Result<Wanted, u32> {
    let given = |field: Option<String>, code: u32| field.filter(|value| !value.is_empty()).ok_or(code);
    let (to, from) = (given(form.to, 21604)?, given(form.from, 21603)?);
    let body = given(form.body, 21602)?;
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
    Ok(Wanted { from, to, body, status_callback, validity_seconds: form.validity_period })
}

async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorised(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.message(&account.sid, message.trim_end_matches(".json")) {
        Some(message) => Json(shown(&message, carrier.api_faults().listing)).into_response(),
        None => error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found"),
    }
}

type Fields = Vec<(String, String)>;

fn of<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let account = match authorised(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let named = ["DateSent", "DateSent<", "DateSent>"].map(|name| of(&query, name).map(moment));
    if named.contains(&Some(None)) {
        return error(StatusCode::BAD_REQUEST, 20001, "Not a date");
    }
    let [on, before, after] = named.map(Option::flatten);
    let fits = |message: &Message| {
        let sent = |fits: &dyn Fn(DateTime<Utc>) -> bool| message.sent.is_some_and(fits);
        message.account == account.sid
            && of(&query, "To").is_none_or(|to| message.to == to)
            && of(&query, "From").is_none_or(|from| message.from == from)
            && on.is_none_or(|on| sent(&|at| at.date_naive() == on.date_naive()))
            && before.is_none_or(|before| sent(&|at| at <= before))
            && after.is_none_or(|after| sent(&|at| at >= after))
    };
    let found = carrier.messages(fits);
    let size = of(&query, "PageSize").and_then(|size| size.parse().ok()).unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
    let page: usize = of(&query, "Page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let listing = carrier.api_faults().listing;
    Json(paged(&account.sid, &query, &found, page, size, listing)).into_response()
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).or_else(day)
}

fn paged(account: &str, query: &Fields, found: &[Message], page: usize, size: usize, listing: Listing) -> Value {
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
    let mut shown: Vec<Value> = found[start..end].iter().map(|message| shown(message, listing)).collect();
    if listing == Listing::Null {
        let fields = shown.first().and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys());
        let nothing: Value = fields.map(|name| (name.clone(), Value::Null)).collect::<serde_json::Map<_, _>>().into();
        shown.push(nothing);
    }
    let last_sid = end.checked_sub(1).and_then(|at| found.get(at)).map(|message| format!("PA{}", message.sid));
    let next = (end < found.len()).then(|| uri(page + 1, last_sid.as_deref()));
    let previous = page.checked_sub(1).map(|page| uri(page, None));
    json!({
        "messages": shown,
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

/// How many segments a text has, as far as it is plain or not.
fn segments(body: &str) -> usize {
    let (length, alone, part) = match body.is_ascii() {
        true => (body.len(), 160, 153),
        false => (body.encode_utf16().count(), 70, 67),
    };
    if length <= alone { 1 } else { length.div_ceil(part) }
}

fn shown(message: &Message, listing: Listing) -> Value {
    let known = |value: Value| if listing == Listing::Null { Value::Null } else { value };
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
        "account_sid": known(json!(message.account)),
        "messaging_service_sid": null,
        "from": known(json!(message.from)),
        "to": known(json!(message.to)),
        "body": body,
        "status": message.status.word(),
        "direction": message.direction.word(),
        "num_segments": known(json!(segments(&message.body).to_string())),
        "num_media": known(json!("0")),
        "price": null,
        "price_unit": known(json!("USD")),
        "error_code": known(json!(message.error_code)),
        "error_message": null,
        "date_created": at(message.created),
        "date_updated": known(json!(at(message.updated))),
        "date_sent": known(json!(message.sent.map(at))),
        "api_version": known(json!(VERSION)),
        "uri": known(json!(format!("{uri}.json"))),
        "subresource_uris": known(json!({"media": format!("{uri}/Media.json")})),
    })
}

async fn numbers(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let account = match authorised(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    // Without numbers of its own an account has whichever is asked for.
    let asked = of(&query, "PhoneNumber");
    let numbers: Vec<&str> = match asked {
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
