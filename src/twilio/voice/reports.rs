//! What is reported of calls and recordings, in any order, twice, or late.

use axum::extract::{Request, State};
use axum::response::Response;

use super::caller::reached;
use super::{answer, needed, recording as recording_of, seconds, sid};
use crate::domain::CallEnd;
use crate::service::calls::{
    CallKey, CallReport, OutboundKey, Reached, left_voicemail, report_call, transcribed, withdraw_recording,
};
use crate::twilio::WebhookState;
use crate::twilio::form::field;
use crate::twilio::links::course_of;
use crate::twilio::twiml;
use crate::twilio::verified::{Refused, Verified};

/// `POST /api/twilio/voice/status`: how far a call got. Source: Twilio, "Call status callbacks".
pub(super) async fn status(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "status", request, async |verified| {
        let Some(ended) = CallEnd::from_twilio(needed(&verified.form, "CallStatus")?) else {
            return Ok(twiml::empty());
        };
        let lasted = seconds(&verified.form, "CallDuration");
        let query = &verified.query;
        let named = field(query, "agency").and_then(|id| id.parse().ok()).zip(field(query, "call"));
        let call = match named.and_then(|(agency, call)| Some((agency, call.parse().ok()?))) {
            Some((agency, call)) => {
                let (account, sid) = (verified.account, sid(&verified.form, "CallSid")?);
                Some(CallReport::Outbound(OutboundKey { agency, call, account, sid }))
            }
            None => reached(&state, &verified).await?.map(|(_, key)| CallReport::Inbound(key)),
        };
        if let Some(call) = call {
            report_call(&state.services, call, ended, lasted).await?;
        }
        Ok(twiml::empty())
    })
    .await
}

/// A recording is available, or is too short or silent. Source: Twilio, "TwiML: Record", recordingStatusCallback.
pub(super) async fn recording(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "recording", request, async |verified| {
        let recording = recording_of(&verified.form)?;
        let Some((number, key)) = from_address(&state, &verified).await? else { return Ok(twiml::empty()) };
        let (services, course) = (&state.services, course_of(&verified.query));
        match field(&verified.form, "RecordingStatus") {
            Some("completed") | None => {
                left_voicemail(services, &number, key, &course, recording, false).await?;
            }
            // Too short (error 16101) or silent (16102).
            Some("absent") => withdraw_recording(services, &number, key, &course, recording.sid).await?,
            Some(_) => {}
        }
        Ok(twiml::empty())
    })
    .await
}

/// What a voicemail says in words. Source: Twilio, "TwiML: Record", transcribeCallback.
pub(super) async fn transcription(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "transcription", request, async |verified| {
        let recording = recording_of(&verified.form)?.sid;
        let text = field(&verified.form, "TranscriptionText").filter(|text| !text.trim().is_empty());
        let found = from_address(&state, &verified).await?;
        if let Some(((number, key), text)) = found.zip(text) {
            let course = course_of(&verified.query);
            transcribed(&state.services, &number, key, &course, recording, text).await?;
        }
        Ok(twiml::empty())
    })
    .await
}

/// The call as the address names it: these forms name neither caller nor number.
async fn from_address(state: &WebhookState, verified: &Verified) -> Result<Option<(Reached, CallKey)>, Refused> {
    let (services, form, query) = (&state.services, &verified.form, &verified.query);
    let agency = field(query, "agency").and_then(|id| id.parse().ok());
    let number = field(query, "number").and_then(|id| id.parse().ok());
    let Some((agency, number)) = agency.zip(number) else { return Ok(None) };
    let found = services.calls.switchboard.by_id(services, agency, verified.account, number).await?;
    let from = field(form, "From").unwrap_or_default().to_owned();
    let key = CallKey { agency, account: verified.account, number, sid: sid(form, "CallSid")?, from };
    Ok(found.map(|reached| (reached, key)))
}
