//! Checks that Twilio sends the texts and calls of one number to Partyline, from its configuration at Twilio. Pure: it
//! makes no request.

use partyline::config::Settings;
use partyline::domain::webhook_paths::CALL_STATUS;
use partyline::ports::twilio_rest::{CONNECTION_OVERRIDES, Capabilities, MessagingService, TwilioNumber};
use url::Url;

use super::finding::Finding::{self, Note, Passed, Wrong};

/// The URLs that must be set at Twilio, each with the connection overrides that make Twilio retry.
pub(super) struct Webhooks {
    sms: String,
    voice: String,
    status: String,
}

impl Webhooks {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            sms: format!("{}{CONNECTION_OVERRIDES}", settings.sms_webhook_url),
            voice: format!("{}{CONNECTION_OVERRIDES}", settings.voice_webhook_url),
            status: format!("{}{CALL_STATUS}{CONNECTION_OVERRIDES}", settings.public_url),
        }
    }
}

/// A URL at Twilio, and the HTTP method that Twilio uses for it.
struct Callback<'a> {
    name: &'static str,
    url: Option<&'a str>,
    method: Option<&'a str>,
}

impl<'a> Callback<'a> {
    fn new(name: &'static str, url: &'a Option<String>, method: &'a Option<String>) -> Self {
        Self { name, url: set(url), method: set(method) }
    }

    /// The problem, as the predicate of a sentence about the callback; `None` if Twilio posts to the expected URL.
    fn problem(&self, expected: &str) -> Option<String> {
        match self.url {
            None => Some("is not set".to_owned()),
            Some(url) if url != expected => Some(match (host(url), host(expected)) {
                (Some(found), Some(wanted)) if found != wanted => format!("is at {found}"),
                _ => "is not exactly this URL".to_owned(),
            }),
            Some(_) if self.method != Some("POST") => Some("does not use HTTP POST".to_owned()),
            Some(_) => None,
        }
    }
}

/// Twilio uses both null and an empty string for a value that is not set.
fn set(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

/// The rest of a URL may hold a secret, so only the host is printed.
fn host(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.host()?.to_string())
}

/// The findings about a number that is in these Messaging Services.
pub(super) fn check(
    e164: &str,
    number: &TwilioNumber,
    services: &[&MessagingService],
    webhooks: &Webhooks,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let can = number.capabilities.unwrap_or(Capabilities { sms: None, voice: None });
    if can.sms == Some(false) {
        found.push(Wrong(
            "the number cannot receive texts. Replace it with a number that has the SMS capability".into(),
        ));
    } else {
        check_texts(number, services, webhooks, &mut found);
    }
    if can.voice == Some(false) {
        found.push(Wrong(
            "the number cannot receive calls. Replace it with a number that has the Voice capability".into(),
        ));
    } else {
        check_calls(number, webhooks, &mut found);
    }
    if !found.iter().any(|finding| matches!(finding, Wrong(_))) {
        found.push(Passed("Twilio sends texts and calls to Partyline".to_owned()));
    }
    found.into_iter().map(|finding| finding.about(e164)).collect()
}

fn check_texts(number: &TwilioNumber, services: &[&MessagingService], webhooks: &Webhooks, found: &mut Vec<Finding>) {
    let before = found.len();
    let overriding = services.iter().filter(|service| service.use_inbound_webhook_on_number != Some(true));
    let mut overridden = false;
    for service in overriding {
        overridden = true;
        found.extend(check_service(service, &webhooks.sms).map(Wrong));
    }
    if overridden && found.len() == before {
        // The service posts to Partyline, and Twilio ignores the number's own settings for texts.
        return;
    }
    if let Some(sid) = set(&number.sms_application_sid) {
        found.push(Wrong(format!(
            "texts go to the TwiML application {sid}, and the number's own URLs are ignored. Remove the application \
             from the number (sms_application_sid)"
        )));
    }
    for callback in [
        Callback::new("messaging webhook (sms_url)", &number.sms_url, &number.sms_method),
        Callback::new("messaging fallback (sms_fallback_url)", &number.sms_fallback_url, &number.sms_fallback_method),
    ] {
        found.extend(must_post(&callback, &webhooks.sms));
    }
}

/// The problem of a service that overrides the number's URLs; `None` if it posts texts to Partyline.
fn check_service(service: &MessagingService, expected: &str) -> Option<String> {
    let sid = &service.sid;
    let inbound =
        Callback::new("inbound webhook (inbound_request_url)", &service.inbound_request_url, &service.inbound_method);
    let fallback = Callback::new("fallback (fallback_url)", &service.fallback_url, &service.fallback_method);
    let problem = match inbound.url {
        None => "discards its texts, because no inbound webhook (inbound_request_url) is set".to_owned(),
        Some(_) => {
            let problem = |callback: &Callback<'_>| Some(format!("{} {}", callback.name, callback.problem(expected)?));
            let problems: Vec<String> = [&inbound, &fallback].into_iter().filter_map(problem).collect();
            if problems.is_empty() {
                return None;
            }
            format!("overrides the number's own URLs, and the service's {}", problems.join(" and its "))
        }
    };
    Some(format!(
        "the number is in the Messaging Service {sid}, which {problem}. In the service, under Integration, Incoming \
         Messages, choose \"Defer to sender's webhook\" (use_inbound_webhook_on_number), or set both URLs to \
         {expected} with HTTP POST"
    ))
}

fn check_calls(number: &TwilioNumber, webhooks: &Webhooks, found: &mut Vec<Finding>) {
    if let Some(sid) = set(&number.voice_application_sid) {
        found.push(Wrong(format!(
            "calls go to the TwiML application {sid}, and the number's own URLs are ignored. Remove the application \
             from the number (voice_application_sid)"
        )));
    }
    if let Some(sid) = set(&number.trunk_sid) {
        found.push(Wrong(format!(
            "calls go to the SIP trunk {sid}, and the number's own URLs are ignored. Remove the number from the trunk \
             (trunk_sid)"
        )));
    }
    let webhook = Callback::new("voice webhook (voice_url)", &number.voice_url, &number.voice_method);
    found.extend(must_post(&webhook, &webhooks.voice));
    let fallback =
        Callback::new("voice fallback (voice_fallback_url)", &number.voice_fallback_url, &number.voice_fallback_method);
    match fallback.url.and_then(host) {
        Some(elsewhere) if Some(&elsewhere) != host(&webhooks.voice).as_ref() => found.push(Note(format!(
            "the voice fallback is at {elsewhere}, so that host answers callers while Partyline does not"
        ))),
        _ => found.extend(must_post(&fallback, &webhooks.voice)),
    }
    let status = Callback::new(
        "call status callback (status_callback)",
        &number.status_callback,
        &number.status_callback_method,
    );
    found.extend(must_post(&status, &webhooks.status));
}

fn must_post(callback: &Callback<'_>, expected: &str) -> Option<Finding> {
    let problem = callback.problem(expected)?;
    Some(Wrong(format!("the {} {problem}. Set it to {expected} with HTTP POST", callback.name)))
}
