//! What callers are told, step by step.

use axum::extract::{Request, State};
use axum::response::Response;

use super::{answer, needed, seconds, sid};
use crate::domain::CallEnd;
use crate::domain::ivr::Plan;
use crate::service::calls::{
    CallKey, DialEnd, Reached, Recording, after_dial, answer_call, keyed, left_voicemail, said_nothing,
};
use crate::twilio::WebhookState;
use crate::twilio::form::field;
use crate::twilio::links::{Links, course_of};
use crate::twilio::twiml::{self, Document};
use crate::twilio::verified::{Refused, Verified};

/// `POST /api/twilio/voice/inbound`: somebody calls.
pub(super) async fn inbound(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "inbound", request, async |verified| {
        let Some((reached, key)) = reached(&state, &verified).await? else {
            return Ok(not_in_service(&state, &verified));
        };
        let digits = field(&verified.form, "Digits");
        let plan = answer_call(&state.services, &reached, key.clone(), digits).await;
        Ok(twiml::plan(&plan, &links(&state, &key)))
    })
    .await
}

/// They have dialled an extension, or nothing.
pub(super) async fn menu(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "menu", request, async |verified| {
        let Some((reached, key)) = reached(&state, &verified).await? else {
            return Ok(not_in_service(&state, &verified));
        };
        let digits = field(&verified.form, "Digits").unwrap_or_default();
        let plan = keyed(&state.services, &reached, key.clone(), &course_of(&verified.query), digits).await;
        Ok(twiml::plan(&plan, &links(&state, &key)))
    })
    .await
}

/// The phones have stopped ringing, or the conversation is over.
/// Source: Twilio, "TwiML: Dial", the action's parameters.
pub(super) async fn dialled(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "dialled", request, async |verified| {
        let Some((reached, key)) = reached(&state, &verified).await? else {
            return Ok(not_in_service(&state, &verified));
        };
        let form = &verified.form;
        let dial = DialEnd {
            bridged: field(form, "DialBridged").and_then(|bridged| bridged.parse().ok()),
            status: needed(form, "DialCallStatus")?.to_owned(),
            leg_sid: field(form, "DialCallSid").filter(|sid| !sid.is_empty()).map(str::to_owned),
            seconds: seconds(form, "DialCallDuration"),
            caller_gone: field(form, "CallStatus").and_then(CallEnd::from_twilio),
        };
        let plan = after_dial(&state.services, &reached, key.clone(), course_of(&verified.query), dial).await?;
        Ok(twiml::plan(&plan, &links(&state, &key)))
    })
    .await
}

/// They have left a voicemail. Source: Twilio, "TwiML: Record".
pub(super) async fn recorded(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "recorded", request, async |verified| {
        let Some((reached, key)) = reached(&state, &verified).await? else {
            return Ok(not_in_service(&state, &verified));
        };
        let recording = Recording {
            sid: sid(&verified.form, "RecordingSid")?,
            seconds: seconds(&verified.form, "RecordingDuration").unwrap_or(0),
        };
        let course = course_of(&verified.query);
        let plan = left_voicemail(&state.services, &reached, key.clone(), &course, recording, true).await?;
        Ok(twiml::plan(&plan, &links(&state, &key)))
    })
    .await
}

/// They have said nothing after the tone.
pub(super) async fn silent(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "silent", request, async |verified| {
        let Some((reached, key)) = reached(&state, &verified).await? else {
            return Ok(not_in_service(&state, &verified));
        };
        let plan = said_nothing(&state.services, &reached, key.clone(), &course_of(&verified.query)).await?;
        Ok(twiml::plan(&plan, &links(&state, &key)))
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

fn blank(verified: &Verified) -> Result<CallKey, Refused> {
    let nobody = uuid::Uuid::nil();
    Ok(CallKey {
        agency: crate::domain::AgencyId(nobody),
        account: verified.account,
        number: crate::domain::PhoneNumberId(nobody),
        sid: sid(&verified.form, "CallSid")?,
        from: field(&verified.form, "From").unwrap_or_default().to_owned(),
    })
}

fn links<'a>(state: &'a WebhookState, call: &'a CallKey) -> Links<'a> {
    Links { public_url: &state.public_url, call }
}

fn not_in_service(state: &WebhookState, verified: &Verified) -> Document {
    tracing::warn!("a call to a number that no agency has");
    match blank(verified) {
        Ok(key) => twiml::plan(&Plan::not_in_service(), &links(state, &key)),
        Err(_) => twiml::leg(&crate::domain::ivr::LegPlan::Connect, ""),
    }
}
