//! Messages as the API shows them, and their list.
//! Source: Twilio, "Messages resource".

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::api::{VERSION, authorize, list_error};
use super::api_faults::Listing;
use super::carrier::Carrier;
use super::ledger::Message;
use super::list_faults::List;
use super::paging::{DateFilter, LastDay, QueryFields, field, page_json};

const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";

/// The messages of an account, newest first.
pub(super) async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Query(query): Query<QueryFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    if let Some(error) = list_error(&carrier, List::Messages) {
        return error;
    }
    let sent = match DateFilter::read(&query, "DateSent", LastDay::Included) {
        Ok(sent) => sent,
        Err(invalid) => return *invalid,
    };
    let mut found = carrier.messages(|message| {
        message.account == account.sid
            && field(&query, "To").is_none_or(|to| message.to == to)
            && field(&query, "From").is_none_or(|from| message.from == from)
            && sent.matches(message.sent)
    });
    // Messages with a date in the past may have been added late. The sort is stable.
    found.sort_by_key(|message| Reverse(message.created));
    let listing = carrier.api_faults().listing;
    let path = format!("/{VERSION}/Accounts/{}/Messages.json", account.sid);
    let json = |message: &Message| message_json(message, listing);
    let mut page = page_json(&path, "messages", &query, &found, |message| &message.sid, json);
    if listing == Listing::Null
        && let Some(messages) = page.get_mut("messages").and_then(Value::as_array_mut)
    {
        let fields = messages.first().and_then(Value::as_object).into_iter().flat_map(|fields| fields.keys());
        let null_message: Map<_, _> = fields.map(|name| (name.clone(), Value::Null)).collect();
        messages.push(null_message.into());
    }
    Json(page).into_response()
}

/// The approximate number of segments: an ASCII text counts as GSM-7, any other as UCS-2.
fn segments(body: &str) -> usize {
    let (length, single, part) = match body.is_ascii() {
        true => (body.len(), 160, 153),
        false => (body.encode_utf16().count(), 70, 67),
    };
    if length <= single { 1 } else { length.div_ceil(part) }
}

pub(super) fn message_json(message: &Message, listing: Listing) -> Value {
    let nullable = |value: Value| if listing == Listing::Null { Value::Null } else { value };
    let body = match listing {
        Listing::Whole => json!(message.body),
        Listing::Redacted => json!(""),
        Listing::Null => Value::Null,
        Listing::Trial => json!(format!("{TRIAL_PREFIX}{}", message.body)),
    };
    let at = |at: DateTime<Utc>| at.to_rfc2822();
    let uri = format!("/{VERSION}/Accounts/{}/Messages/{}", message.account, message.sid);
    let subresources = json!({"media": format!("{uri}/Media.json"), "feedback": format!("{uri}/Feedback.json")});
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
        "num_media": nullable(json!(message.num_media.to_string())),
        "price": null,
        "price_unit": nullable(json!("USD")),
        "error_code": nullable(json!(message.error_code)),
        "error_message": null,
        "date_created": at(message.created),
        "date_updated": nullable(json!(at(message.updated))),
        "date_sent": nullable(json!(message.sent.map(at))),
        "api_version": nullable(json!(VERSION)),
        "uri": nullable(json!(format!("{uri}.json"))),
        "subresource_uris": nullable(subresources),
    })
}
