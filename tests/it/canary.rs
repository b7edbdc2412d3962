//! No body, name, phone number, or token appears in a log line, a metric, or a response to Twilio.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline::domain::delivery::rank;
use partyline::domain::{MessageStatus, QuarantineState};
use partyline::service::calls::check_overdue_calls;
use partyline::service::fetch_recordings::fetch_recordings;
use partyline::service::sending::resolve_unknown_texts;
use partyline_simulator::{Account, CallScript, CallerStep, Fault, Match, PhoneScript};
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::support::carrier::carrier_with;
use crate::support::process::{Server, apply};
use crate::support::{SMS_PATH, TestApp, Text, client, log};

/// Unique values, one for each kind of private data.
const BODY: &str = "canary-body-7f3a";
const SENDER: &str = "+13039170001";
const NAMED_SENDER: &str = "canary-sender-7f3a";
const NAME: &str = "canary-name-7f3a";
const STAFF: &str = "canary-staff-7f3a";
const STAFF_PHONE: &str = "+13039170002";
const AUTH_TOKEN: &str = "canary-token-7f3a";
const OTHER_AUTH_TOKEN: &str = "canary-rotated-7f3a";
const NUMBER: &str = "+13039170003";
const UNKNOWN_NUMBER: &str = "+13039170004";
const MEDIA: &str = "https://media.test/canary-media-7f3a";
const ACCOUNT: &str = "AC000000000000000000000000000000ca";

const CANARIES: [&str; 9] = [
    "canary-",
    "13039170001",
    "13039170002",
    "13039170003",
    "13039170004",
    // The same phone prefix, form-encoded.
    "%2B1303917",
    "the tests' secret",
    "7f3a",
    "303917",
];

fn directory() -> String {
    format!(
        "agencies:\n  - key: acme\n    name: Acme\n    timeZone: Etc/UTC\n    twilio: {{accountSid: {ACCOUNT}, \
         authToken: {AUTH_TOKEN}, secondaryAuthToken: {OTHER_AUTH_TOKEN}}}\n    users:\n      \
         - {{key: ana, name: {STAFF}, role: ADMIN, phone: '{STAFF_PHONE}'}}\n    phoneNumbers:\n      \
         - {{number: '{NUMBER}', label: {NAME}, pool: [{{user: ana}}]}}\n    contacts:\n      \
         - {{phone: '{SENDER}', name: {NAME}, provider: ana}}\n"
    )
}

fn text(sid: &str) -> Text {
    let text = Text::new(sid).account(ACCOUNT, AUTH_TOKEN).from(SENDER).to(NUMBER).body(BODY);
    text.field("NumMedia", "1").field("MediaUrl0", MEDIA).field("ProfileName", NAME)
}

/// Valid, invalid, poisoned, repeated, unmatched, and forged texts, with their expected statuses.
fn texts() -> Vec<(Text, StatusCode)> {
    vec![
        (text("SM1"), StatusCode::OK),
        (text("SM1"), StatusCode::OK),
        (text("SM2").from(NAMED_SENDER), StatusCode::OK),
        (text("SM3").account(ACCOUNT, OTHER_AUTH_TOKEN), StatusCode::OK),
        (text("SM4").to(UNKNOWN_NUMBER), StatusCode::OK),
        (text("SM5").from(&NAMED_SENDER.repeat(10)), StatusCode::OK),
        (text("SM6").body(&format!("{BODY}\u{0}")), StatusCode::OK),
        (text("SM7").field("MediaContentType0", &BODY.repeat(30)), StatusCode::OK),
        (text("SM8").account(ACCOUNT, "forged"), StatusCode::FORBIDDEN),
        (text("SM9").account("AC0000000000000000000000000000canary-7f3a", AUTH_TOKEN), StatusCode::FORBIDDEN),
        (text("SM10").without("To"), StatusCode::BAD_REQUEST),
        (text("canary-sid with blanks 7f3a"), StatusCode::BAD_REQUEST),
        (text("SM11").body("STOP"), StatusCode::OK),
    ]
}

fn assert_no_canary(what: &str, output: &str) {
    for canary in CANARIES {
        let found = output.lines().find(|line| without_time(line).contains(canary));
        assert_eq!(found, None, "{canary} in {what}");
    }
}

/// A line of the log without its time, whose microseconds can be the digits of a canary.
fn without_time(line: &str) -> &str {
    let time =
        line.get(.."2026-11-23T15:00:00.000000Z".len()).filter(|time| time.starts_with("20") && time.ends_with('Z'));
    time.map_or(line, |time| &line[time.len()..])
}

#[tokio::test]
async fn inbound_texts_leak_nothing() {
    let app = TestApp::start_with(&directory()).await;
    for (text, expected) in texts() {
        let (status, body) = app.post_text(&text).await;
        assert_eq!(status, expected, "{}", text.sid);
        assert_no_canary("a response", &body);
    }
    for (content_type, body) in
        [("application/json", BODY.to_owned()), ("application/x-www-form-urlencoded", format!("Body={BODY}%FF"))]
    {
        let request = app.http.post(app.url(SMS_PATH)).header("content-type", content_type).body(body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error());
        assert_no_canary("a response", &answer.text().await.unwrap());
    }
    // What went to quarantine is assigned or, if it is refused again, discarded.
    let (ana, number) = (app.token("acme", "ana"), app.number_id("acme", NUMBER).await);
    let held = app.quarantined().await;
    assert!(held.len() > 1, "{}", held.len());
    let handle = "mutation($text: ID!, $number: ID!) {
        assignQuarantinedMessage(input: {quarantinedMessageId: $text, phoneNumberId: $number}) { userErrors { code } }
        discardQuarantinedMessage(input: {quarantinedMessageId: $text}) { userErrors { code } } }";
    for row in held {
        let handled = app.graphql(&ana, handle, json!({"text": row.id.to_string(), "number": number})).await;
        assert!(handled.get("errors").is_none(), "{handled}");
    }
    assert!(app.quarantined().await.iter().all(|row| row.state != QuarantineState::Held));
    // An invalid token, and a token of an unknown user.
    let token = app.token("acme", BODY);
    app.http.post(app.url("/graphql")).bearer_auth(secrecy::ExposeSecret::expose_secret(&token)).send().await.unwrap();
    app.http.post(app.url("/graphql")).bearer_auth(AUTH_TOKEN).body(BODY).send().await.unwrap();
    let wrong = format!(
        "agencies: [{{key: acme, twilio: {{accountSid: x, authToken: {AUTH_TOKEN}, authTokn: {AUTH_TOKEN}}}}}]"
    );
    app.try_apply(&wrong).await.unwrap_err();

    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
    assert_eq!(metrics.status(), StatusCode::OK);
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("partyline_inbound_texts_total{outcome=\"Stored\"}"), "{metrics}");
    assert_no_canary("/metrics", &metrics);
    let logged = log::lines();
    assert!(logged.contains("a bulk item cannot be stored; its fallback is stored"), "the log is captured");
    assert_no_canary("the log", &logged);
}

/// Outbound texts, whatever the carrier does with them.
#[tokio::test]
async fn outbound_texts_leak_nothing() {
    let carrier = carrier_with(|settings| settings.accounts = vec![Account::new(ACCOUNT, AUTH_TOKEN)]);
    let app = TestApp::start_with_carrier(&carrier).await;
    app.apply(&directory().replace("key: acme", "key: canaries")).await;
    app.receive(text("SM1")).await;
    let ana = app.token("canaries", "ana");
    let thread = app.all_threads(&ana).await[0].clone();
    let _workers = app.start_workers();
    let faults = [
        None,
        Some(Fault::DropAfterAccepting),
        Some(Fault::ErrorBeforeAccepting),
        Some(Fault::Reject { code: 21211 }),
        Some(Fault::Failed { code: 30008 }),
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        if let Some(fault) = fault {
            carrier.set_fault(fault, Match::any());
        }
        let payload =
            app.reply(&ana, &thread, &format!("{BODY} {n}"), json!({"idempotencyKey": format!("{BODY} {n}")})).await;
        assert_eq!(payload["userErrors"], json!([]));
    }
    app.wait_until_all("all texts have been attempted", |message| rank(message.status) >= rank(MessageStatus::Unknown))
        .await;
    app.clock.advance(Duration::from_secs(10));
    resolve_unknown_texts(app.services()).await.unwrap();
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("partyline_outbox{state=\"IN_DOUBT\"} 1"), "{metrics}");
    assert_no_canary("/metrics", &metrics);
    assert_no_canary("the log", &log::lines());
}

/// Calls: caller, transcript, and the phones that were rung.
#[tokio::test]
async fn calls_leak_nothing() {
    let carrier = carrier_with(|settings| settings.accounts = vec![Account::new(ACCOUNT, AUTH_TOKEN)]);
    let app = TestApp::start_with_carrier(&carrier).await;
    app.apply(&directory().replace("key: acme", "key: canaries")).await;
    app.apply("agencies: [{key: canaries, users: [{key: ana, phoneVerified: true}]}]").await;
    for script in [PhoneScript::accepts(1, '1'), PhoneScript::Voicemail { after: 1 }, PhoneScript::Failed] {
        carrier.set_phone(STAFF_PHONE, script);
        let call = CallScript::new(SENDER, NUMBER).then(CallerStep::Wait).then(CallerStep::Speak(3));
        assert_eq!(carrier.call(call).await.unwrap().error, None);
    }
    fetch_recordings(app.services()).await.unwrap();
    check_overdue_calls(app.services()).await.unwrap();
    let ana = app.token("canaries", "ana");
    let number = app.number_id("canaries", NUMBER).await;
    let start = "mutation($number: ID!, $to: PhoneE164!) {
        startCall(input: {phoneNumberId: $number, to: $to}) { userErrors { code } } }";
    app.graphql(&ana, start, json!({"number": number, "to": SENDER})).await;
    let verify =
        "mutation($phone: PhoneE164!) { startPhoneVerification(input: {phone: $phone}) { userErrors { code } } }";
    app.graphql(&ana, verify, json!({"phone": SENDER})).await;
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("partyline_call_requests_total{outcome=\"Answered\"}"), "{metrics}");
    assert_no_canary("/metrics", &metrics);
    assert_no_canary("the log", &log::lines());
}

/// The real binary with all libraries at their most verbose level, from start to exit.
#[tokio::test]
#[ignore = "SQLite only: starts the binary on a file"]
async fn the_binary_leaks_nothing_at_any_log_level_on_sqlite() {
    let folder = TempDir::new().unwrap();
    apply(folder.path(), &directory());
    let collector = Collector::start().await;
    let settings =
        [("PARTYLINE_LOG", "trace".to_owned()), ("PARTYLINE_OTLP_ENDPOINT", format!("http://{}", collector.address))];
    let server = Server::start_with_settings(folder.path(), &settings).await;
    let http = client();
    for (text, expected) in texts() {
        let request = http.post(format!("http://{}{SMS_PATH}", server.address)).body(text.form());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.header("x-twilio-signature", text.signature()).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{}", text.sid);
    }
    server.terminate();
    let (code, output) = server.wait_for_exit().await;
    assert_eq!(code, Some(0));
    assert!(output.contains("a bulk item cannot be stored; its fallback is stored"), "{output}");
    assert_no_canary("standard error", &output);
    let spans = collector.received();
    for name in ["http_request", "receive_text", "write_batch", "/api/twilio/webhook", "agy_", "msg_"] {
        assert!(spans.contains(name), "no span contains {name}");
    }
    assert_no_canary("the exported spans", &spans);
    for made in ["p.db.jwt-secret", "p.db.secret-key"] {
        let secret = std::fs::read_to_string(folder.path().join(made)).unwrap();
        assert!(!output.contains(secret.trim()), "{made}");
    }
}

/// An OpenTelemetry collector that keeps what it receives.
struct Collector {
    address: std::net::SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    async fn start() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let keep = move |body: axum::body::Bytes| {
            kept.lock().unwrap().extend_from_slice(&body);
            std::future::ready(())
        };
        let router = axum::Router::new().route("/v1/traces", axum::routing::post(keep));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    /// Names and values are strings within the binary messages.
    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}
