//! Whether Twilio sends the texts and calls of one number to Partyline. Pure: it reads what Twilio has answered.

use partyline::config::Settings;
use partyline::ports::twilio_rest::{Capabilities, MessagingService, REPEAT, TwilioNumber};
use partyline::twilio::VOICE_STATUS_PATH;
use url::Url;

use super::finding::Finding::{self, Good, Note, Wrong};

/// The URLs that must be set at Twilio, each with the suffix that makes Twilio retry.
pub(super) struct Webhooks {
    sms: String,
    voice: String,
    status: String,
}

impl Webhooks {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            sms: format!("{}{REPEAT}", settings.sms_webhook_url),
            voice: format!("{}{REPEAT}", settings.voice_webhook_url),
            status: format!("{}{VOICE_STATUS_PATH}{REPEAT}", settings.public_url),
        }
    }
}

/// A URL at Twilio, and the HTTP method that Twilio uses for it.
struct Callback<'a> {
    what: &'static str,
    url: Option<&'a str>,
    method: Option<&'a str>,
}

impl<'a> Callback<'a> {
    fn new(what: &'static str, url: &'a Option<String>, method: &'a Option<String>) -> Self {
        Self { what, url: set(url), method: set(method) }
    }

    /// What is wrong with it, to be said after its name; `None` if Twilio posts to the expected URL.
    fn problem(&self, expected: &str) -> Option<String> {
        match self.url {
            None => Some("is not set".to_owned()),
            Some(url) if url != expected => Some(match (host(url), host(expected)) {
                (Some(found), Some(ours)) if found != ours => format!("is at {found}"),
                _ => "is not exactly this URL".to_owned(),
            }),
            Some(_) if self.method != Some("POST") => Some("does not use HTTP POST".to_owned()),
            Some(_) => None,
        }
    }
}

/// Twilio writes both null and an empty string for what is not set.
fn set(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

/// The rest of a URL may hold a secret, so only the host is printed.
fn host(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.host()?.to_string())
}

/// Everything to say about a number, given the Messaging Services that it is in.
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
        found.push(Good("Twilio sends texts and calls to Partyline".to_owned()));
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
        // The service posts to Partyline, and Twilio reads none of the number's own settings for texts.
        return;
    }
    if let Some(sid) = set(&number.sms_application_sid) {
        found.push(Wrong(format!(
            "texts go to the TwiML application {sid}, and the number's own URLs are ignored. Remove the application from \
             the number (sms_application_sid)"
        )));
    }
    for callback in [
        Callback::new("messaging webhook (sms_url)", &number.sms_url, &number.sms_method),
        Callback::new("messaging fallback (sms_fallback_url)", &number.sms_fallback_url, &number.sms_fallback_method),
    ] {
        found.extend(must_post(&callback, &webhooks.sms));
    }
}

/// Why a service that overrides the number's URLs keeps texts away from Partyline.
fn check_service(service: &MessagingService, expected: &str) -> Option<String> {
    let sid = &service.sid;
    let inbound =
        Callback::new("inbound webhook (inbound_request_url)", &service.inbound_request_url, &service.inbound_method);
    let fallback = Callback::new("fallback (fallback_url)", &service.fallback_url, &service.fallback_method);
    let problem = match inbound.url {
        None => "discards its texts, because no inbound webhook (inbound_request_url) is set".to_owned(),
        Some(_) => {
            let problem = |callback: &Callback<'_>| Some(format!("{} {}", callback.what, callback.problem(expected)?));
            let problems: Vec<String> = [&inbound, &fallback].into_iter().filter_map(problem).collect();
            if problems.is_empty() {
                return None;
            }
            format!("overrides the number's own URLs, and the service's {}", problems.join(" and its "))
        }
    };
    Some(format!(
        "the number is in the Messaging Service {sid}, which {problem}. In the service, under Integration, Incoming \
         Messages, choose \"Defer to sender's webhook\" (use_inbound_webhook_on_number), or set both URLs to {expected} \
         with HTTP POST"
    ))
}

fn check_calls(number: &TwilioNumber, webhooks: &Webhooks, found: &mut Vec<Finding>) {
    if let Some(sid) = set(&number.voice_application_sid) {
        found.push(Wrong(format!(
            "calls go to the TwiML application {sid}, and the number's own URLs are ignored. Remove the application from \
             the number (voice_application_sid)"
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
    Some(Wrong(format!("the {} {problem}. Set it to {expected} with HTTP POST", callback.what)))
}
