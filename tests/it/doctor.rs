//! `partyline doctor`: each misconfiguration at Twilio gets a line with the necessary change, and the exit code is 1.

use std::path::Path;

use partyline_simulator::SimulatorSettings;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::carrier::carrier_with;
use crate::support::directory::{ACCOUNT, DESK};
use crate::support::process;
use crate::support::twilio_api::{Configuration, TwilioApi, number, webhook};

const SMS: &str = "/api/twilio/webhook";
const VOICE: &str = "/api/twilio/voice/inbound";
const STATUS: &str = "/api/twilio/voice/status";
const APPLICATION: &str = "AP00000000000000000000000000000001";
const TRUNK: &str = "TK00000000000000000000000000000001";
const SERVICE: &str = "MG00000000000000000000000000000001";
const KEY: (&str, &str) = ("SK00000000000000000000000000000001", "the-secret-of-the-api-key");

/// A folder with a database to which this directory has been applied.
fn folder_with(twilio: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    process::apply(
        folder.path(),
        &format!(
            "agencies: [{{key: acme, name: Acme Health, timeZone: America/Denver, \
             twilio: {{accountSid: {ACCOUNT}, authToken: 0123456789abcdef0123456789abcdef{twilio}}}, \
             users: [{{key: ana, name: Ana Lopez, role: ADMIN}}], \
             phoneNumbers: [{{number: \"{DESK}\", label: Front desk, pool: [{{user: ana}}]}}]}}]"
        ),
    );
    folder
}

/// Runs `doctor` with these settings; returns the exit code and the lines of output.
async fn doctor(folder: &Path, settings: &[(&'static str, &str)]) -> (i32, Vec<String>) {
    let folder = folder.to_owned();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let run = tokio::task::spawn_blocking(move || process::run_with_settings(&folder, &settings, &["doctor"], ""));
    let output = run.await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (output.status.code().expect("an exit code"), lines)
}

fn failures(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("WRONG  ")).collect()
}

/// The default configuration with one field of the number changed.
fn with(field: &str, value: Value) -> Configuration {
    let mut configuration = Configuration::of(DESK);
    configuration.numbers[0][field] = value;
    configuration
}

fn in_service(fields: Value) -> Configuration {
    let mut configuration = Configuration::of(DESK);
    configuration.join_service(fields, DESK);
    configuration
}

#[tokio::test]
async fn a_correct_configuration_passes_every_check() {
    let folder = folder_with("");
    let api = TwilioApi::start(Configuration::of(DESK)).await;
    let (code, lines) = doctor(folder.path(), &[("TWILIO_API_BASE", &api.base)]).await;
    let expected = [
        "ok     settings: all values are valid",
        "ok     PARTYLINE_PUBLIC_URL: the URL is https and its host is public",
        "ok     database: connected",
        "ok     database: this kind of server is supported",
        "ok     database: the schema is up to date",
        &format!("ok     {ACCOUNT}: Twilio accepts the auth token"),
        &format!("ok     {DESK}: Twilio sends texts and calls to Partyline"),
    ];
    assert_eq!((code, lines.iter().map(String::as_str).collect::<Vec<_>>()), (0, expected.to_vec()));
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn each_misconfiguration_has_one_line_with_the_necessary_change() {
    let folder = folder_with("");
    let api = TwilioApi::start(Configuration::of(DESK)).await;
    let post = |path: &str| format!("Set it to {} with HTTP POST", webhook(path));
    let missing = |what: &str, path: &str| format!("the {what} is not set. {}", post(path));
    let get = |what: &str, path: &str| format!("the {what} does not use HTTP POST. {}", post(path));
    let defer = format!(
        "In the service, under Integration, Incoming Messages, choose \"Defer to sender's webhook\" \
         (use_inbound_webhook_on_number), or set both URLs to {} with HTTP POST",
        webhook(SMS)
    );
    let overriding = |problem: &str| {
        format!(
            "the number is in the Messaging Service {SERVICE}, which overrides the number's own URLs, and the service's \
             {problem}. {defer}"
        )
    };
    let partyline_url = json!(webhook(SMS));
    let another_secret = "https://hooks.other.example/in?token=s3cret";
    let cases: Vec<(Configuration, String)> = vec![
        // The URLs of the number, all of which are nullable.
        (with("sms_url", Value::Null), missing("messaging webhook (sms_url)", SMS)),
        (with("sms_url", json!("")), missing("messaging webhook (sms_url)", SMS)),
        (with("sms_fallback_url", Value::Null), missing("messaging fallback (sms_fallback_url)", SMS)),
        (with("voice_url", Value::Null), missing("voice webhook (voice_url)", VOICE)),
        (with("voice_fallback_url", Value::Null), missing("voice fallback (voice_fallback_url)", VOICE)),
        (with("status_callback", Value::Null), missing("call status callback (status_callback)", STATUS)),
        (
            with("sms_url", json!(another_secret)),
            format!("the messaging webhook (sms_url) is at hooks.other.example. {}", post(SMS)),
        ),
        (
            with("sms_fallback_url", json!(another_secret)),
            format!("the messaging fallback (sms_fallback_url) is at hooks.other.example. {}", post(SMS)),
        ),
        (
            with("voice_url", json!(another_secret)),
            format!("the voice webhook (voice_url) is at hooks.other.example. {}", post(VOICE)),
        ),
        (
            with("status_callback", json!("not a URL")),
            format!("the call status callback (status_callback) is not exactly this URL. {}", post(STATUS)),
        ),
        // Without the fragment, Twilio does not retry.
        (
            with("sms_url", json!("https://partyline.test/api/twilio/webhook")),
            format!("the messaging webhook (sms_url) is not exactly this URL. {}", post(SMS)),
        ),
        (
            with("voice_fallback_url", json!(webhook(SMS))),
            format!("the voice fallback (voice_fallback_url) is not exactly this URL. {}", post(VOICE)),
        ),
        // The HTTP methods of the number.
        (with("sms_method", json!("GET")), get("messaging webhook (sms_url)", SMS)),
        (with("sms_method", Value::Null), get("messaging webhook (sms_url)", SMS)),
        (with("sms_fallback_method", json!("GET")), get("messaging fallback (sms_fallback_url)", SMS)),
        (with("voice_method", json!("GET")), get("voice webhook (voice_url)", VOICE)),
        (with("voice_fallback_method", json!("GET")), get("voice fallback (voice_fallback_url)", VOICE)),
        (with("status_callback_method", json!("GET")), get("call status callback (status_callback)", STATUS)),
        // Settings that take precedence over the URLs.
        (
            with("sms_application_sid", json!(APPLICATION)),
            format!(
                "texts go to the TwiML application {APPLICATION}, and the number's own URLs are ignored. Remove the \
                 application from the number (sms_application_sid)"
            ),
        ),
        (
            with("voice_application_sid", json!(APPLICATION)),
            format!(
                "calls go to the TwiML application {APPLICATION}, and the number's own URLs are ignored. Remove the \
                 application from the number (voice_application_sid)"
            ),
        ),
        (
            with("trunk_sid", json!(TRUNK)),
            format!(
                "calls go to the SIP trunk {TRUNK}, and the number's own URLs are ignored. Remove the number from the \
                 trunk (trunk_sid)"
            ),
        ),
        // The capabilities of the number.
        (
            with("capabilities", json!({"SMS": false, "voice": true})),
            "the number cannot receive texts. Replace it with a number that has the SMS capability".to_owned(),
        ),
        (
            with("capabilities", json!({"sms": true, "voice": false})),
            "the number cannot receive calls. Replace it with a number that has the Voice capability".to_owned(),
        ),
        // Messaging Services.
        (
            in_service(json!({})),
            format!(
                "the number is in the Messaging Service {SERVICE}, which discards its texts, because no inbound webhook \
                 (inbound_request_url) is set. {defer}"
            ),
        ),
        (
            in_service(json!({"inbound_request_url": another_secret, "fallback_url": partyline_url})),
            overriding("inbound webhook (inbound_request_url) is at hooks.other.example"),
        ),
        (in_service(json!({"inbound_request_url": partyline_url})), overriding("fallback (fallback_url) is not set")),
        (
            in_service(
                json!({"inbound_request_url": partyline_url, "inbound_method": "GET", "fallback_url": partyline_url}),
            ),
            overriding("inbound webhook (inbound_request_url) does not use HTTP POST"),
        ),
        (
            in_service(json!({
                "inbound_request_url": partyline_url, "inbound_method": "GET", "fallback_url": partyline_url, "fallback_method": "GET",
            })),
            overriding(
                "inbound webhook (inbound_request_url) does not use HTTP POST and its fallback (fallback_url) does not \
                 use HTTP POST",
            ),
        ),
        (
            in_service(json!({"use_inbound_webhook_on_number": null, "inbound_request_url": partyline_url})),
            overriding("fallback (fallback_url) is not set"),
        ),
        // The number is not in the account.
        (
            Configuration::of("+13035550199"),
            format!(
                "the account {ACCOUNT} does not have this number. Move the number to the account, or deactivate it in the \
                 directory"
            ),
        ),
    ];
    for (configuration, expected) in cases {
        api.configure(configuration);
        let (code, lines) = doctor(folder.path(), &[("TWILIO_API_BASE", &api.base)]).await;
        assert_eq!((code, failures(&lines)), (1, vec![format!("{DESK}: {expected}").as_str()]));
        assert!(!lines.concat().contains("s3cret"), "{expected}");
    }
}

#[tokio::test]
async fn a_number_may_be_configured_without_its_own_urls() {
    let folder = folder_with("");
    let api = TwilioApi::start(Configuration::of(DESK)).await;
    let partyline_url = json!(webhook(SMS));
    // The service delivers to Partyline, so Twilio ignores the number's own settings for texts.
    let mut by_service = in_service(json!({"inbound_request_url": partyline_url, "fallback_url": partyline_url}));
    by_service.numbers[0]["sms_url"] = Value::Null;
    by_service.numbers[0]["sms_application_sid"] = json!(APPLICATION);
    let mut unknown = with("capabilities", Value::Null);
    unknown.join_service(json!({}), "+13035550199");
    let elsewhere = json!("https://handler.twilio.com/twiml/EH00000000000000000000000000000001");
    let bin = with("voice_fallback_url", elsewhere.clone());
    let mut bin_by_get = with("voice_fallback_url", elsewhere);
    bin_by_get.numbers[0]["voice_fallback_method"] = json!("GET");
    let note = format!(
        "note   {DESK}: the voice fallback is at handler.twilio.com, so that host answers callers while Partyline does not"
    );
    for (name, configuration, note) in [
        ("deferring service", in_service(json!({"use_inbound_webhook_on_number": true})), None),
        ("service that delivers to Partyline", by_service, None),
        ("another number's service, capabilities unknown", unknown, None),
        ("TwiML Bin", bin, Some(&note)),
        ("TwiML Bin by GET", bin_by_get, Some(&note)),
    ] {
        api.configure(configuration);
        let (code, lines) = doctor(folder.path(), &[("TWILIO_API_BASE", &api.base)]).await;
        assert_eq!((code, failures(&lines)), (0, vec![]), "{name}");
        assert_eq!(lines.iter().find(|line| line.starts_with("note")), note, "{name}");
    }
}

#[tokio::test]
async fn the_numbers_own_urls_are_checked_if_its_service_defers_to_them() {
    let folder = folder_with("");
    let mut configuration = in_service(json!({"use_inbound_webhook_on_number": true}));
    configuration.numbers[0]["sms_method"] = json!("GET");
    let api = TwilioApi::start(configuration).await;
    let (code, lines) = doctor(folder.path(), &[("TWILIO_API_BASE", &api.base)]).await;
    assert_eq!((code, failures(&lines).len()), (1, 1), "{lines:?}");
    assert!(failures(&lines)[0].contains("(sms_url) does not use HTTP POST"), "{lines:?}");
}

#[tokio::test]
async fn every_page_is_read_only_from_the_configured_host() {
    let folder = folder_with("");
    // Three numbers contain the requested digits. The exact match is the last one, and it is in the last service.
    let mut configuration = Configuration::of(DESK);
    configuration.numbers = ["+130355501000", "+130355501001", DESK].map(number).to_vec();
    configuration.numbers[0]["sms_url"] = Value::Null;
    for other in ["+13035550197", "+13035550198", "+13035550199"] {
        configuration.join_service(json!({"use_inbound_webhook_on_number": true}), other);
    }
    configuration.services[2].0["use_inbound_webhook_on_number"] = json!(false);
    configuration.services[2].1 = vec!["+130355501000", "+130355501001", DESK];
    configuration.page_size = 1;
    let api = TwilioApi::start(configuration.clone()).await;
    let (code, lines) = doctor(folder.path(), &[("TWILIO_API_BASE", &api.base)]).await;
    assert_eq!((code, failures(&lines).len()), (1, 1), "{lines:?}");
    assert!(failures(&lines)[0].contains("MG00000000000000000000000000000003, which discards its texts"), "{lines:?}");
    configuration.services[2].1.pop();
    api.configure(configuration);
    let (code, lines) = doctor(folder.path(), &[("TWILIO_API_BASE", &api.base)]).await;
    assert_eq!((code, failures(&lines)), (0, vec![]));
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn credentials_are_checked_with_a_resource_that_every_api_key_may_read() {
    let permissions = "A Restricted key needs the permissions Messages (create, read), Calls (create, read), Recordings \
                       (read), IncomingPhoneNumbers (read) and Messaging Services (read)";
    let api = TwilioApi::start(Configuration::of(DESK)).await;
    let settings = [("TWILIO_API_BASE", api.base.as_str())];
    let by_key = folder_with(&format!(", apiKeySid: {}, apiKeySecret: {}", KEY.0, KEY.1));
    // The fake API does not serve the account resource, which a Standard API key cannot read.
    let with_key = Configuration { credentials: KEY, ..Configuration::of(DESK) };
    api.configure(with_key.clone());
    let (code, lines) = doctor(by_key.path(), &settings).await;
    assert_eq!((code, failures(&lines)), (0, vec![]));
    assert!(lines.contains(&format!("ok     {ACCOUNT}: Twilio accepts the API key")), "{lines:?}");

    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        api.configure(Configuration { failing: Some(("/2010-04-01/", status)), ..with_key.clone() });
        let (code, lines) = doctor(by_key.path(), &settings).await;
        let expected = format!(
            "{ACCOUNT}: Twilio rejects the API key, or the key may not list the account's numbers. Check apiKeySid and \
             apiKeySecret in the directory file. {permissions}"
        );
        assert_eq!((code, failures(&lines)), (1, vec![expected.as_str()]));

        api.configure(Configuration { failing: Some(("/v1/", status)), ..with_key.clone() });
        let (code, lines) = doctor(by_key.path(), &settings).await;
        let expected = format!(
            "{ACCOUNT}: the Messaging Services cannot be listed. A Restricted key needs the permission Messaging Services \
             (read)"
        );
        assert_eq!((code, failures(&lines)), (1, vec![expected.as_str()]));
        assert!(!lines.iter().any(|line| line.contains("sends texts and calls")), "{lines:?}");
    }

    let by_token = folder_with("");
    let (code, lines) = doctor(by_token.path(), &settings).await;
    let expected = format!(
        "{ACCOUNT}: Twilio rejects the auth token. Set authToken in the directory file to the account's primary auth token \
         and apply the file"
    );
    assert_eq!((code, failures(&lines)), (1, vec![expected.as_str()]));
}

#[tokio::test]
async fn a_check_that_twilio_does_not_answer_fails() {
    let folder = folder_with("");
    let api = TwilioApi::start(Configuration::of(DESK)).await;
    for (prefix, expected) in [
        ("/2010-04-01/", "Twilio responded with 503 Service Unavailable. The numbers were not checked"),
        ("/v1/", "the Messaging Services cannot be listed. Twilio responded with 503 Service Unavailable"),
    ] {
        let failing = Some((prefix, StatusCode::SERVICE_UNAVAILABLE));
        api.configure(Configuration { failing, ..Configuration::of(DESK) });
        let (code, lines) = doctor(folder.path(), &[("TWILIO_API_BASE", &api.base)]).await;
        assert_eq!((code, failures(&lines).len()), (1, 1), "{lines:?}");
        assert!(failures(&lines)[0].contains(expected), "{lines:?}");
    }
}

#[tokio::test]
async fn a_public_url_that_twilio_cannot_use_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    process::apply(folder.path(), "agencies: []");
    let advice = "Set it to the https URL at which Twilio reaches your proxy";
    for (public_url, problem) in [
        ("http://127.0.0.1:8080", "the host is a loopback address, which Twilio cannot reach"),
        ("https://localhost", "the host is a loopback address, which Twilio cannot reach"),
        ("https://192.168.1.20", "the host is in a private network, which Twilio cannot reach"),
        ("https://169.254.10.1", "the host is in a private network, which Twilio cannot reach"),
        (
            "https://my_clinic.example",
            "the host name contains an underscore, and Twilio refuses such URLs with error 21609",
        ),
        ("http://clinic.example", "the URL is plain http, so texts and calls would travel unencrypted"),
    ] {
        // No account is configured, so no request is sent to Twilio.
        let settings = [("PARTYLINE_PUBLIC_URL", public_url), ("TWILIO_API_BASE", "https://api.twilio.com")];
        let (code, lines) = doctor(folder.path(), &settings).await;
        let expected = format!("PARTYLINE_PUBLIC_URL: {problem}. {advice}");
        assert_eq!((code, failures(&lines)), (1, vec![expected.as_str()]), "{public_url}");
    }
    let settings = [
        ("TWILIO_SMS_WEBHOOK_URL", "http://partyline.test/api/twilio/webhook"),
        ("TWILIO_VOICE_WEBHOOK_URL", "https://10.0.0.5/api/twilio/voice/inbound"),
    ];
    let (code, lines) = doctor(folder.path(), &settings).await;
    let expected = [
        format!("TWILIO_SMS_WEBHOOK_URL: the URL is plain http, so texts and calls would travel unencrypted. {advice}"),
        format!("TWILIO_VOICE_WEBHOOK_URL: the host is in a private network, which Twilio cannot reach. {advice}"),
    ];
    assert_eq!((code, failures(&lines)), (1, expected.iter().map(String::as_str).collect()));
}

#[tokio::test]
async fn the_simulated_carrier_of_the_demo_is_configured_correctly() {
    let folder = folder_with("");
    let origin = "http://127.0.0.1:8080";
    let carrier = carrier_with(|settings: &mut SimulatorSettings| {
        let url = |path: &str| webhook(path).replace("https://partyline.test", origin);
        settings.sms_url = url(SMS);
        settings.voice_url = url(VOICE);
        settings.voice_status_url = Some(url(STATUS));
    });
    let base = carrier.base();
    let settings = [("TWILIO_API_BASE", base.as_str()), ("PARTYLINE_PUBLIC_URL", origin)];
    let (code, lines) = doctor(folder.path(), &settings).await;
    assert_eq!((code, failures(&lines)), (0, vec![]));
    let note = "note   PARTYLINE_PUBLIC_URL: the host is a loopback address. Only a simulated carrier on this \
                machine can reach it, not Twilio";
    assert!(lines.contains(&note.to_owned()), "{lines:?}");
    assert!(lines.contains(&format!("ok     {DESK}: Twilio sends texts and calls to Partyline")), "{lines:?}");
}
