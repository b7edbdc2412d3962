//! The steps of an inbound call: each responds with the next instruction for the caller.

use std::future::Future;

use axum::extract::{Request, State};
use axum::response::Response;

use super::fallback::FailedStep;
use super::{recording, required, respond, seconds, sid};
use crate::domain::ivr::Plan;
use crate::domain::{CallEnd, CallerIdVerification};
use crate::service::calls::{
    CallKey, CalledNumber, DialEnd, answer_call, handle_dial_end, handle_digits, record_no_message, record_voicemail,
};
use crate::twilio::WebhookState;
use crate::twilio::call_urls::{CallUrls, parse_ivr_state};
use crate::twilio::form::{Form, field};
use crate::twilio::twiml;
use crate::twilio::verified::{VerifiedRequest, WebhookRejection};

/// `POST /api/twilio/voice/inbound`: an inbound call. This is also the fallback URL of the number, and then continues a
/// call at the step that failed.
pub(super) async fn inbound(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "inbound", request, async |number, key, verified| {
        let verification = verification(&verified.form);
        match FailedStep::parse(&state.public_url, &verified.form) {
            Some(failed) => failed.resume(&state, &number, key, &verified.form).await,
            None => Ok(answer_call(&state.services, &number, key, digits(&verified.form), verification).await),
        }
    })
    .await
}

/// The caller dialed an extension, or nothing before the timeout.
pub(super) async fn menu(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "menu", request, async |number, key, verified| {
        let digits = digits(&verified.form).unwrap_or_default();
        Ok(handle_digits(&state.services, &number, key, &parse_ivr_state(&verified.query), digits).await)
    })
    .await
}

/// The phones have stopped ringing, or the conversation has ended.
/// Source: Twilio, "TwiML: Dial", the action's parameters.
pub(super) async fn dialed(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "dialled", request, async |number, key, verified| {
        required(&verified.form, "DialCallStatus")?;
        let dial = dial_end(&verified.form);
        Ok(handle_dial_end(&state.services, &number, key, parse_ivr_state(&verified.query), dial).await?)
    })
    .await
}

/// The caller left a voicemail. Source: Twilio, "TwiML: Record".
pub(super) async fn recorded(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "recorded", request, async |number, key, verified| {
        let recording = recording(&verified.form)?;
        let ivr_state = parse_ivr_state(&verified.query);
        Ok(record_voicemail(&state.services, &number, key, &ivr_state, recording, true).await?)
    })
    .await
}

/// The caller said nothing after the tone.
pub(super) async fn silent(State(state): State<WebhookState>, request: Request) -> Response {
    step(&state, "silent", request, async |number, key, verified| {
        Ok(record_no_message(&state.services, &number, key, &parse_ivr_state(&verified.query)).await?)
    })
    .await
}

/// The result of a Dial.
pub(super) fn dial_end(form: &Form) -> DialEnd {
    DialEnd {
        bridged: field(form, "DialBridged").and_then(|bridged| bridged.parse().ok()),
        status: field(form, "DialCallStatus").map(str::to_owned),
        leg_sid: field(form, "DialCallSid").filter(|sid| !sid.is_empty()).map(str::to_owned),
        seconds: seconds(form, "DialCallDuration"),
        caller_gone: field(form, "CallStatus").and_then(CallEnd::from_twilio),
    }
}

/// The carrier's verification of the caller ID (STIR/SHAKEN).
pub(super) fn verification(form: &Form) -> Option<CallerIdVerification> {
    field(form, "StirVerstat").and_then(CallerIdVerification::from_twilio)
}

/// The dialed digits, without the final `#`.
pub(super) fn digits(form: &Form) -> Option<&str> {
    field(form, "Digits").map(|digits| digits.trim_end_matches('#'))
}

/// Responds to a step of an inbound call with the plan that `handle` returns.
async fn step<F>(
    state: &WebhookState,
    name: &str,
    request: Request,
    handle: impl FnOnce(CalledNumber, CallKey, VerifiedRequest) -> F,
) -> Response
where
    F: Future<Output = Result<Plan, WebhookRejection>>,
{
    respond(state, name, request, async |verified| {
        let Some((number, key)) = resolve_call(state, &verified).await? else {
            tracing::warn!("received a call to a number that no agency has");
            return Ok(twiml::not_in_service());
        };
        let plan = handle(number, key.clone(), verified).await?;
        Ok(twiml::plan(&plan, &CallUrls { public_url: &state.public_url, call: &key }))
    })
    .await
}

/// The called number, and the call; `None` if no agency has the number.
pub(super) async fn resolve_call(
    state: &WebhookState,
    verified: &VerifiedRequest,
) -> Result<Option<(CalledNumber, CallKey)>, WebhookRejection> {
    let (sid, to) = (sid(&verified.form, "CallSid")?, required(&verified.form, "To")?);
    let services = &state.services;
    let Some(called) = services.calls.switchboard.find(services, verified.account, to).await? else { return Ok(None) };
    let key = CallKey {
        agency: called.directory.agency_id(),
        account: verified.account,
        number: called.number.id,
        sid,
        from: field(&verified.form, "From").unwrap_or_default().to_owned(),
    };
    Ok(Some((called, key)))
}
