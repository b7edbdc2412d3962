//! Messaging Services: how they route inbound texts, and the API that lists them.
//! Source: Twilio, "Messaging: Service resource" and "PhoneNumber resource".

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{authenticate, error};
use super::carrier::Carrier;
use super::settings::{SimulatorSettings, split_channel};

const PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1_000;

/// The routing of texts to the numbers of a Messaging Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// The text is discarded and not logged: the service has no inbound webhook.
    Discard,
    /// The text goes to the webhook of the number.
    DeferToNumber,
    /// The text goes to this URL. The webhook of the number is ignored.
    Post(String),
}

/// A Messaging Service.
#[derive(Debug, Clone)]
pub struct MessagingService {
    /// `MG` and 32 hexadecimal digits.
    pub sid: String,
    /// The SID of the account that owns the service.
    pub account: String,
    /// The numbers in the service, in E.164.
    pub numbers: Vec<String>,
    /// The routing of texts to these numbers.
    pub inbound: Inbound,
}

impl SimulatorSettings {
    /// The URL that receives texts to a number; `None` if they are discarded.
    pub(super) fn inbound_url_of(&self, number: &str) -> Option<&str> {
        let plain = split_channel(number).1;
        let service = self.services.iter().find(|service| service.numbers.iter().any(|own| own == plain));
        match service.map(|service| &service.inbound) {
            Some(Inbound::Discard) => None,
            Some(Inbound::Post(url)) => Some(url),
            Some(Inbound::DeferToNumber) | None => Some(self.sms_url_of(number)),
        }
    }
}

pub(super) fn router() -> Router<Arc<Carrier>> {
    let services = Router::new().route("/Services", get(list)).route("/Services/{service}/PhoneNumbers", get(numbers));
    Router::new().nest("/v1", services)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paging {
    page: Option<usize>,
    page_size: Option<usize>,
}

async fn list(State(carrier): State<Arc<Carrier>>, headers: HeaderMap, Query(paging): Query<Paging>) -> Response {
    let account = match authenticate(&carrier, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let own = carrier.settings.services.iter().filter(|service| service.account == account.sid);
    let rows: Vec<Value> = own.map(service_json).collect();
    page_json(&carrier, "/v1/Services", "services", &rows, &paging)
}

async fn numbers(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Response {
    let account = match authenticate(&carrier, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let mut services = carrier.settings.services.iter();
    let Some(service) = services.find(|service| service.account == account.sid && service.sid == sid) else {
        return error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found");
    };
    let row = |number: &String| json!({"account_sid": account.sid, "service_sid": sid, "phone_number": number});
    let rows: Vec<Value> = service.numbers.iter().map(row).collect();
    page_json(&carrier, &format!("/v1/Services/{sid}/PhoneNumbers"), "phone_numbers", &rows, &paging)
}

fn service_json(service: &MessagingService) -> Value {
    let url = match &service.inbound {
        Inbound::Post(url) => Some(url),
        Inbound::Discard | Inbound::DeferToNumber => None,
    };
    json!({
        "sid": service.sid,
        "account_sid": service.account,
        "friendly_name": service.sid,
        "inbound_request_url": url,
        "inbound_method": "POST",
        "fallback_url": url,
        "fallback_method": "POST",
        "use_inbound_webhook_on_number": service.inbound == Inbound::DeferToNumber,
    })
}

fn page_json(carrier: &Carrier, path: &str, key: &str, rows: &[Value], paging: &Paging) -> Response {
    let size = paging.page_size.unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE);
    let page = paging.page.unwrap_or(0);
    let start = page.saturating_mul(size).min(rows.len());
    let end = start.saturating_add(size).min(rows.len());
    let url = |page: usize| format!("{}{path}?PageSize={size}&Page={page}", carrier.base);
    let meta = json!({
        "key": key,
        "page": page,
        "page_size": size,
        "first_page_url": url(0),
        "previous_page_url": page.checked_sub(1).map(url),
        "next_page_url": (end < rows.len()).then(|| url(page + 1)),
        "url": url(page),
    });
    Json(json!({key: &rows[start..end], "meta": meta})).into_response()
}
