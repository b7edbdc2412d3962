//! A fake of the APIs that `doctor` reads: an account's numbers and Messaging Services, as configured by a test.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::form_urlencoded;

use super::directory::{ACCOUNT, TOKEN};
use super::text::PUBLIC_URL;

/// The URL of a webhook as it must be configured at Twilio.
pub(crate) fn webhook(path: &str) -> String {
    format!("{PUBLIC_URL}{path}#rc=5&rp=5xx,ct,rt")
}

/// The configuration of a Twilio account. By default it is correct and has one number.
#[derive(Clone)]
pub(crate) struct Configuration {
    /// The expected credentials of HTTP Basic authentication.
    pub(crate) credentials: (&'static str, &'static str),
    pub(crate) numbers: Vec<Value>,
    /// Messaging Services, each with its numbers.
    pub(crate) services: Vec<(Value, Vec<&'static str>)>,
    /// A path prefix and the status with which requests to it fail.
    pub(crate) failing: Option<(&'static str, StatusCode)>,
    /// The maximum page size.
    pub(crate) page_size: usize,
}

impl Configuration {
    pub(crate) fn of(e164: &str) -> Self {
        Self {
            credentials: (ACCOUNT, TOKEN),
            numbers: vec![number(e164)],
            services: Vec::new(),
            failing: None,
            page_size: 50,
        }
    }

    /// Adds a number to a Messaging Service with these fields.
    pub(crate) fn join_service(&mut self, fields: Value, e164: &'static str) {
        let sid = format!("MG{:032}", self.services.len() + 1);
        let mut service = json!({
            "sid": sid,
            "inbound_request_url": null,
            "inbound_method": "POST",
            "fallback_url": null,
            "fallback_method": "POST",
            "use_inbound_webhook_on_number": false,
        });
        service.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        self.services.push((service, vec![e164]));
    }
}

/// A number whose texts and calls are configured to reach Partyline.
pub(crate) fn number(e164: &str) -> Value {
    let (sms, voice) = (webhook("/api/twilio/webhook"), webhook("/api/twilio/voice/inbound"));
    json!({
        "sid": format!("PN{:0>32}", e164.trim_start_matches('+')),
        "phone_number": e164,
        "capabilities": {"voice": true, "sms": true, "mms": true, "fax": false},
        "sms_url": sms,
        "sms_method": "POST",
        "sms_fallback_url": sms,
        "sms_fallback_method": "POST",
        "sms_application_sid": "",
        "voice_url": voice,
        "voice_method": "POST",
        "voice_fallback_url": voice,
        "voice_fallback_method": "POST",
        "voice_application_sid": "",
        "trunk_sid": null,
        "status_callback": webhook("/api/twilio/voice/status"),
        "status_callback_method": "POST",
    })
}

type Shared = Arc<Mutex<Configuration>>;
type Fields = Vec<(String, String)>;

/// The fake API, which serves until the test ends.
pub(crate) struct TwilioApi {
    pub(crate) base: String,
    configuration: Shared,
}

impl TwilioApi {
    pub(crate) async fn start(configuration: Configuration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let configuration = Arc::new(Mutex::new(configuration));
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json", get(numbers))
            .route("/v1/Services", get(services))
            .route("/v1/Services/{service}/PhoneNumbers", get(service_numbers))
            .with_state(configuration.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, configuration }
    }

    pub(crate) fn configure(&self, configuration: Configuration) {
        *self.configuration.lock().unwrap() = configuration;
    }
}

fn refusal(configuration: &Configuration, headers: &HeaderMap, path: &str) -> Option<Response> {
    let (username, password) = configuration.credentials;
    let expected = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    if headers.get(AUTHORIZATION).is_none_or(|given| given != expected.as_str()) {
        return Some(StatusCode::UNAUTHORIZED.into_response());
    }
    let (prefix, status) = configuration.failing?;
    path.starts_with(prefix).then(|| status.into_response())
}

fn field<'a>(query: &'a Fields, name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// One page of entries, and the path and query of the next page.
fn page<T: Clone>(max: usize, path: &str, query: &Fields, entries: &[T]) -> (Vec<T>, Option<String>) {
    let parameter = |name: &str| field(query, name).and_then(|text| text.parse::<usize>().ok());
    let size = parameter("PageSize").unwrap_or(50).min(max);
    let number = parameter("Page").unwrap_or(0);
    let entries_shown = entries.iter().skip(number * size).take(size).cloned().collect();
    let next = (entries.len() > (number + 1) * size).then(|| {
        let mut next = form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(query.iter().filter(|(name, _)| name != "Page"));
        format!("{path}?{}", next.append_pair("Page", &(number + 1).to_string()).finish())
    });
    (entries_shown, next)
}

async fn numbers(
    State(shared): State<Shared>,
    Path(account): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let configuration = shared.lock().unwrap().clone();
    if let Some(refusal) = refusal(&configuration, &headers, uri.path()) {
        return refusal;
    }
    if account != ACCOUNT {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Like Twilio, the filter also matches a part of a number.
    let matches = |number: &&Value| {
        let number = number["phone_number"].as_str().unwrap_or_default();
        field(&query, "PhoneNumber").is_none_or(|parameter| number.contains(parameter))
    };
    let found: Vec<Value> = configuration.numbers.iter().filter(matches).cloned().collect();
    let (entries_shown, next) = page(configuration.page_size, uri.path(), &query, &found);
    Json(json!({"incoming_phone_numbers": entries_shown, "next_page_uri": next})).into_response()
}

async fn services(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, Query(query): Query<Fields>) -> Response {
    let configuration = shared.lock().unwrap().clone();
    if let Some(refusal) = refusal(&configuration, &headers, uri.path()) {
        return refusal;
    }
    let services: Vec<Value> = configuration.services.iter().map(|(service, _)| service.clone()).collect();
    let (entries_shown, next) = page(configuration.page_size, uri.path(), &query, &services);
    Json(json!({"services": entries_shown, "meta": meta(next)})).into_response()
}

async fn service_numbers(
    State(shared): State<Shared>,
    Path(sid): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let configuration = shared.lock().unwrap().clone();
    if let Some(refusal) = refusal(&configuration, &headers, uri.path()) {
        return refusal;
    }
    let service = configuration.services.iter().find(|(service, _)| service["sid"] == json!(sid));
    let Some((_, members)) = service else { return StatusCode::NOT_FOUND.into_response() };
    let (entries_shown, next) = page(configuration.page_size, uri.path(), &query, members);
    let entries_shown: Vec<Value> = entries_shown.iter().map(|number| json!({"phone_number": number})).collect();
    Json(json!({"phone_numbers": entries_shown, "meta": meta(next)})).into_response()
}

/// The next page's URL always has Twilio's own host, whatever host the request was sent to.
fn meta(next: Option<String>) -> Value {
    json!({"next_page_url": next.map(|next| format!("https://messaging.twilio.com{next}"))})
}
