//! The fallback of a number: Twilio asks it how a call goes on when a step of the call could not be answered.
//! Source: Twilio, "Availability and reliability: fallback URLs", `ErrorCode` and `ErrorUrl`.

use url::Url;

use super::caller::{dial_end, digits, verification};
use super::recording;
use crate::domain::ivr::Plan;
use crate::service::calls::{
    CallKey, Reached, after_dial, answer_call, keyed, left_voicemail, recording_to_come, said_nothing,
};
use crate::twilio::form::{Form, field, parse};
use crate::twilio::links::course_of;
use crate::twilio::verified::Refused;
use crate::twilio::{VOICE_STEPS, WebhookState};

/// A step that Twilio has had no usable answer for, as one of our own addresses.
pub(super) struct FailedStep {
    name: String,
    /// What the step was to know.
    query: Form,
}

impl FailedStep {
    /// The failed step that a request names; `None` if it names none, or an address that is not ours.
    pub(super) fn of(public_url: &str, form: &Form) -> Option<Self> {
        let (failed, own) = (Url::parse(field(form, "ErrorUrl")?).ok()?, Url::parse(public_url).ok()?);
        if failed.origin() != own.origin() {
            return None;
        }
        let name = failed.path().strip_prefix(VOICE_STEPS)?.strip_prefix('/')?.to_owned();
        let query = failed.query().and_then(|query| parse(query.as_bytes()).ok()).unwrap_or_default();
        Some(Self { name, query })
    }

    /// Continues the call where it stood. The form names the call; Twilio does not promise that it also has the
    /// fields of the step that failed, so they are used where they are there.
    pub(super) async fn go_on(
        &self,
        state: &WebhookState,
        reached: &Reached,
        key: CallKey,
        form: &Form,
    ) -> Result<Plan, Refused> {
        let error_code = field(form, "ErrorCode").and_then(|code| code.parse::<u32>().ok());
        tracing::warn!(error_code, "Twilio had no usable answer for a step of a call and asked the fallback");
        let (services, course) = (&state.services, course_of(&self.query));
        Ok(match self.name.as_str() {
            "menu" => keyed(services, reached, key, &course, digits(form).unwrap_or_default()).await,
            "dialled" => after_dial(services, reached, key, course, dial_end(form)).await?,
            "recorded" => match recording(form) {
                Ok(recording) => left_voicemail(services, reached, key, &course, recording, true).await?,
                Err(_) => recording_to_come(services, reached, key, &course).await,
            },
            "silent" => said_nothing(services, reached, key, &course).await?,
            _ => answer_call(services, reached, key, digits(form), verification(form)).await,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_our_own_name_a_failed_step() {
        let named = |url: &str| {
            let form = vec![("ErrorUrl".to_owned(), url.to_owned())];
            FailedStep::of("https://p.example", &form).map(|step| (step.name, step.query.len()))
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
            assert_eq!(named(url), expected.map(|(name, count)| (name.to_owned(), count)), "{url}");
        }
        assert!(FailedStep::of("https://p.example", &Form::new()).is_none());
    }
}
