//! The fallback of a number: Twilio requests it to continue a call when a step of the call had no usable response.
//! Source: Twilio, "Availability and reliability: fallback URLs", `ErrorCode` and `ErrorUrl`.

use url::Url;

use super::caller::{dial_end, digits, verification};
use super::recording;
use crate::domain::ivr::Plan;
use crate::domain::webhook_paths::CALL_STEPS;
use crate::service::calls::{
    CallKey, CalledNumber, answer_call, handle_dial_end, handle_digits, record_no_message, record_voicemail,
    recording_pending,
};
use crate::twilio::WebhookState;
use crate::twilio::call_urls::parse_ivr_state;
use crate::twilio::form::{self, Form, field};
use crate::twilio::verified::WebhookRejection;

/// A step of a call for which Twilio received no usable response.
pub(super) struct FailedStep {
    name: String,
    /// The query of the step's URL, which contains the state of the call.
    query: Form,
}

impl FailedStep {
    /// Parses `ErrorUrl`; `None` if it is absent or not a URL of a step on this server.
    pub(super) fn parse(public_url: &str, form: &Form) -> Option<Self> {
        let (failed, own) = (Url::parse(field(form, "ErrorUrl")?).ok()?, Url::parse(public_url).ok()?);
        if failed.origin() != own.origin() {
            return None;
        }
        let name = failed.path().strip_prefix(CALL_STEPS)?.strip_prefix('/')?.to_owned();
        let query = failed.query().and_then(|query| form::parse(query.as_bytes()).ok()).unwrap_or_default();
        Some(Self { name, query })
    }

    /// Continues the call at the failed step. Twilio does not guarantee that the form of a fallback request contains
    /// the fields of the failed step, so each is optional.
    pub(super) async fn resume(
        &self,
        state: &WebhookState,
        number: &CalledNumber,
        key: CallKey,
        form: &Form,
    ) -> Result<Plan, WebhookRejection> {
        let error_code = field(form, "ErrorCode").and_then(|code| code.parse::<u32>().ok());
        tracing::warn!(
            error_code,
            "Twilio received no usable response for a step of a call and requested the fallback"
        );
        let (services, ivr_state) = (&state.services, parse_ivr_state(&self.query));
        Ok(match self.name.as_str() {
            "menu" => handle_digits(services, number, key, &ivr_state, digits(form).unwrap_or_default()).await,
            "dialled" => handle_dial_end(services, number, key, ivr_state, dial_end(form)).await?,
            "recorded" => match recording(form) {
                Ok(recording) => record_voicemail(services, number, key, &ivr_state, recording, true).await?,
                Err(_) => recording_pending(services, number, key, &ivr_state).await,
            },
            "silent" => record_no_message(services, number, key, &ivr_state).await?,
            _ => answer_call(services, number, key, digits(form), verification(form)).await,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_step_urls_of_this_server_are_parsed_as_failed_steps() {
        let parsed = |url: &str| {
            let form = vec![("ErrorUrl".to_owned(), url.to_owned())];
            FailedStep::parse("https://p.example", &form).map(|step| (step.name, step.query.len()))
        };
        for (url, expected) in [
            ("https://p.example/api/twilio/voice/dialled?began=1&step=2", Some(("dialled", 2))),
            ("https://p.example:443/api/twilio/voice/menu", Some(("menu", 0))),
            ("https://p.example/api/twilio/voice/inbound#rc=5", Some(("inbound", 0))),
            ("http://p.example/api/twilio/voice/menu?step=2", None),
            ("https://p.example:8443/api/twilio/voice/menu?step=2", None),
            ("https://elsewhere.example/api/twilio/voice/menu?step=2", None),
            ("https://p.example.elsewhere.example/api/twilio/voice/menu", None),
            ("https://p.example/api/twilio/webhook", None),
            ("https://p.example/api/twilio/voicemail/menu", None),
            ("not an address", None),
            ("", None),
        ] {
            assert_eq!(parsed(url), expected.map(|(name, count)| (name.to_owned(), count)), "{url}");
        }
        assert!(FailedStep::parse("https://p.example", &Form::new()).is_none());
    }
}
