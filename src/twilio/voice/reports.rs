//! Callbacks about calls and recordings, which may arrive in any order, twice, or late.

use axum::extract::{Request, State};
use axum::response::Response;

use super::caller::resolve_call;
use super::{recording as recording_of, required, respond, seconds, sid};
use crate::domain::CallEnd;
use crate::service::calls::{
    CallKey, CallReference, CalledNumber, OutboundKey, record_call_end, record_transcript, record_voicemail,
    withdraw_recording,
};
use crate::twilio::WebhookState;
use crate::twilio::call_urls::parse_ivr_state;
use crate::twilio::form::field;
use crate::twilio::twiml;
use crate::twilio::verified::{VerifiedRequest, WebhookRejection};

/// `POST /api/twilio/voice/status`: the final status of a call. Source: Twilio, "Call status callbacks".
pub(super) async fn status(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "status", request, async |verified| {
        let Some(ended) = CallEnd::from_twilio(required(&verified.form, "CallStatus")?) else {
            return Ok(twiml::empty_document());
        };
        let lasted = seconds(&verified.form, "CallDuration");
        let query = &verified.query;
        let started_by_user = field(query, "agency").and_then(|id| id.parse().ok()).zip(field(query, "call"));
        let call = match started_by_user.and_then(|(agency, call)| Some((agency, call.parse().ok()?))) {
            Some((agency, call)) => {
                let (account, sid) = (verified.account, sid(&verified.form, "CallSid")?);
                Some(CallReference::Outbound(OutboundKey { agency, call, account, sid }))
            }
            None => resolve_call(&state, &verified).await?.map(|(_, key)| CallReference::Inbound(key)),
        };
        if let Some(call) = call {
            record_call_end(&state.services, call, ended, lasted).await?;
        }
        Ok(twiml::empty_document())
    })
    .await
}

/// The status of a recording: available, or absent because it was too short or silent. Source: Twilio, "TwiML: Record",
/// recordingStatusCallback.
pub(super) async fn recording(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "recording", request, async |verified| {
        let recording = recording_of(&verified.form)?;
        let Some((number, key)) = call_from_query(&state, &verified).await? else { return Ok(twiml::empty_document()) };
        let (services, ivr_state) = (&state.services, parse_ivr_state(&verified.query));
        match field(&verified.form, "RecordingStatus") {
            Some("completed") | None => {
                record_voicemail(services, &number, key, &ivr_state, recording, false).await?;
            }
            // Too short (error 16101) or silent (16102).
            Some("absent") => withdraw_recording(services, &number, key, &ivr_state, recording.sid).await?,
            Some(_) => {}
        }
        Ok(twiml::empty_document())
    })
    .await
}

/// The transcription of a voicemail. Source: Twilio, "TwiML: Record", transcribeCallback.
pub(super) async fn transcription(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "transcription", request, async |verified| {
        let recording = recording_of(&verified.form)?.sid;
        let text = field(&verified.form, "TranscriptionText").filter(|text| !text.trim().is_empty());
        let found = call_from_query(&state, &verified).await?;
        if let Some(((number, key), text)) = found.zip(text) {
            let ivr_state = parse_ivr_state(&verified.query);
            record_transcript(&state.services, &number, key, &ivr_state, recording, text).await?;
        }
        Ok(twiml::empty_document())
    })
    .await
}

/// The call, with its number from the query: these forms do not contain the caller or the number.
async fn call_from_query(
    state: &WebhookState,
    verified: &VerifiedRequest,
) -> Result<Option<(CalledNumber, CallKey)>, WebhookRejection> {
    let (services, form, query) = (&state.services, &verified.form, &verified.query);
    let agency = field(query, "agency").and_then(|id| id.parse().ok());
    let number = field(query, "number").and_then(|id| id.parse().ok());
    let Some((agency, number)) = agency.zip(number) else { return Ok(None) };
    let found = services.calls.switchboard.by_id(services, agency, verified.account, number).await?;
    let from = field(form, "From").unwrap_or_default().to_owned();
    let key = CallKey { agency, account: verified.account, number, sid: sid(form, "CallSid")?, from };
    Ok(found.map(|number| (number, key)))
}
