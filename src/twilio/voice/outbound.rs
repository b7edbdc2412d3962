//! Calls that users start. Twilio rings the user's phone first, then the contact's.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{required, respond, seconds, sid};
use crate::domain::CallEnd;
use crate::domain::call::{LegReport, leg_report};
use crate::domain::ivr::{after_outbound, outbound_gone};
use crate::service::calls::{
    CONTACT_LEG, CallReference, OutboundKey, handle_outbound_press, outbound_dial_ended, record_leg_status,
    screen_outbound,
};
use crate::twilio::WebhookState;
use crate::twilio::call_urls::outbound_step;
use crate::twilio::form::field;
use crate::twilio::twiml;
use crate::twilio::verified::{VerifiedRequest, WebhookRejection};

/// The user's phone was picked up.
pub(super) async fn picked_up(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "outbound", request, async |verified| {
        let key = key(&verified, "CallSid")?;
        let action = outbound_step(&state.public_url, "outbound-press", key.agency, key.call);
        let plan = screen_outbound(&state.services, key).await?;
        Ok(twiml::leg(&plan.unwrap_or_else(outbound_gone), &action))
    })
    .await
}

/// A key was pressed on the user's phone.
pub(super) async fn pressed(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "outbound-press", request, async |verified| {
        let key = key(&verified, "CallSid")?;
        let action = outbound_step(&state.public_url, "outbound-dialled", key.agency, key.call);
        let reports = outbound_step(&state.public_url, "outbound-leg", key.agency, key.call);
        let digits = field(&verified.form, "Digits").unwrap_or_default();
        Ok(match handle_outbound_press(&state.services, key, digits).await? {
            Some(Ok(dial)) => twiml::dial(&dial, &action, &reports),
            Some(Err(plan)) => twiml::leg(&plan, ""),
            None => twiml::leg(&outbound_gone(), ""),
        })
    })
    .await
}

/// The contact's phone has stopped ringing, or the conversation has ended.
pub(super) async fn dialed(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "outbound-dialled", request, async |verified| {
        let status = required(&verified.form, "DialCallStatus")?.to_owned();
        let bridged = field(&verified.form, "DialBridged").and_then(|bridged| bridged.parse().ok());
        let talked = outbound_dial_ended(&state.services, key(&verified, "CallSid")?, status, bridged).await?;
        Ok(twiml::leg(&after_outbound(talked), ""))
    })
    .await
}

/// The status of the leg to the contact's phone.
pub(super) async fn leg_status(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "outbound-leg", request, async |verified| {
        let status = required(&verified.form, "CallStatus")?;
        // The form is about the leg; the call is its parent.
        let key = key(&verified, "ParentCallSid")?;
        if let Some(reported) = leg_report(status) {
            let report = LegReport {
                step: CONTACT_LEG.into(),
                user: None,
                sid: Some(sid(&verified.form, "CallSid")?),
                state: reported,
                has_ended: CallEnd::from_twilio(status).is_some(),
                seconds: seconds(&verified.form, "CallDuration"),
            };
            record_leg_status(&state.services, CallReference::Outbound(key), report).await?;
        }
        Ok(twiml::empty_document())
    })
    .await
}

fn key(verified: &VerifiedRequest, call_sid: &str) -> Result<OutboundKey, WebhookRejection> {
    let id = |name: &str| field(&verified.query, name);
    let found = id("agency").and_then(|id| id.parse().ok()).zip(id("call").and_then(|id| id.parse().ok()));
    let (agency, call) = found.ok_or(WebhookRejection::Status(StatusCode::BAD_REQUEST))?;
    Ok(OutboundKey { agency, call, account: verified.account, sid: sid(&verified.form, call_sid)? })
}
