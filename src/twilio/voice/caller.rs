//! What callers are told, step by step.

use std::future::Future;

use axum::extract::{Request, State};
use axum::response::Response;
use uuid::Uuid;

use super::fallback::FailedStep;
use super::{answer, needed, recording, seconds, sid};
use crate::domain::ivr::Plan;
use crate::domain::{AgencyId, CallEnd, CallerIdVerification, PhoneNumberId};
use crate::service::calls::{CallKey, DialEnd, Reached, after_dial, answer_call, keyed, left_voicemail, said_nothing};
use crate::twilio::WebhookState;
use crate::twilio::form::{Form, field};
use crate::twilio::links::{Links, course_of};
use crate::twilio::twiml;
use crate::twilio::verified::{Refused, Verified};

/// `POST /api/twilio/voice/inbound`: somebody calls. It is the number's fallback too, and then continues a call of
/// which a later step failed.
pub(super) async fn inbound(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "inbound", request, async |reached, key, verified| {
        let verification = verification(&verified.form);
        match FailedStep::of(&state.public_url, &verified.form) {
            Some(failed) => failed.go_on(&state, &reached, key, &verified.form).await,
            None => Ok(answer_call(&state.services, &reached, key, digits(&verified.form), verification).await),
        }
    })
    .await
}

/// They have dialled an extension, or nothing.
pub(super) async fn menu(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "menu", request, async |reached, key, verified| {
        let digits = digits(&verified.form).unwrap_or_default();
        Ok(keyed(&state.services, &reached, key, &course_of(&verified.query), digits).await)
    })
    .await
}

/// The phones have stopped ringing, or the conversation is over.
/// Source: Twilio, "TwiML: Dial", the action's parameters.
pub(super) async fn dialled(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "dialled", request, async |reached, key, verified| {
        needed(&verified.form, "DialCallStatus")?;
        let dial = dial_end(&verified.form);
        Ok(after_dial(&state.services, &reached, key, course_of(&verified.query), dial).await?)
    })
    .await
}

/// They have left a voicemail. Source: Twilio, "TwiML: Record".
pub(super) async fn recorded(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "recorded", request, async |reached, key, verified| {
        let recording = recording(&verified.form)?;
        let course = course_of(&verified.query);
        Ok(left_voicemail(&state.services, &reached, key, &course, recording, true).await?)
    })
    .await
}

/// They have said nothing after the tone.
pub(super) async fn silent(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "silent", request, async |reached, key, verified| {
        Ok(said_nothing(&state.services, &reached, key, &course_of(&verified.query)).await?)
    })
    .await
}

/// What a form says of the end of a Dial.
pub(super) fn dial_end(form: &Form) -> DialEnd {
    DialEnd {
        bridged: field(form, "DialBridged").and_then(|bridged| bridged.parse().ok()),
        status: field(form, "DialCallStatus").map(str::to_owned),
        leg_sid: field(form, "DialCallSid").filter(|sid| !sid.is_empty()).map(str::to_owned),
        seconds: seconds(form, "DialCallDuration"),
        caller_gone: field(form, "CallStatus").and_then(CallEnd::from_twilio),
    }
}

/// The carrier's verdict on the caller ID.
pub(super) fn verification(form: &Form) -> Option<CallerIdVerification> {
    field(form, "StirVerstat").and_then(CallerIdVerification::from_twilio)
}

/// What was dialled, without the key that ended it.
pub(super) fn digits(form: &Form) -> Option<&str> {
    field(form, "Digits").map(|digits| digits.trim_end_matches('#'))
}

/// Answers a step of a caller with the plan that is made for it.
async fn step<F>(
    state: &WebhookState,
    name: &str,
    request: Request,
    take: impl FnOnce(Reached, CallKey, Verified) -> F,
) -> Response
where
    F: Future<Output = Result<Plan, Refused>>,
{
    answer(state, name, request, async |verified| {
        let (plan, key) = match reached(state, &verified).await? {
            Some((reached, key)) => (take(reached, key.clone(), verified).await?, key),
            None => {
                tracing::warn!("a call to a number that no agency has");
                (Plan::not_in_service(), blank(&verified)?)
            }
        };
        Ok(twiml::plan(&plan, &Links { public_url: &state.public_url, call: &key }))
    })
    .await
}

/// The number that was called, and the call; `None` if the number is nobody's.
pub(super) async fn reached(state: &WebhookState, verified: &Verified) -> Result<Option<(Reached, CallKey)>, Refused> {
    let key = blank(verified)?;
    let to = needed(&verified.form, "To")?;
    let services = &state.services;
    let Some(reached) = services.calls.switchboard.find(services, verified.account, to).await? else { return Ok(None) };
    let key = CallKey { agency: reached.directory.agency_id(), number: reached.number.id, ..key };
    Ok(Some((reached, key)))
}

/// The call, as far as the form names it.
fn blank(verified: &Verified) -> Result<CallKey, Refused> {
    Ok(CallKey {
        agency: AgencyId(Uuid::nil()),
        account: verified.account,
        number: PhoneNumberId(Uuid::nil()),
        sid: sid(&verified.form, "CallSid")?,
        from: field(&verified.form, "From").unwrap_or_default().to_owned(),
    })
}
