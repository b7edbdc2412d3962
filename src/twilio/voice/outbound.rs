//! Calls that users start: their own phone first, then the contact's.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{answer, needed, seconds, sid};
use crate::domain::CallEnd;
use crate::domain::call::leg_report;
use crate::domain::ivr::{after_outbound, outbound_gone};
use crate::service::calls::{
    CONTACTS_LEG, CallReport, LegReport, OutboundKey, outbound_dialled, outbound_picked_up, outbound_pressed,
    report_leg,
};
use crate::twilio::WebhookState;
use crate::twilio::form::field;
use crate::twilio::links::outbound;
use crate::twilio::twiml;
use crate::twilio::verified::{Refused, Verified};

/// The user's phone was picked up.
pub(super) async fn picked_up(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "outbound", request, async |verified| {
        let key = key(&verified, "CallSid")?;
        let action = outbound(&state.public_url, "outbound-press", key.agency, key.call);
        let plan = outbound_picked_up(&state.services, key).await?;
        Ok(twiml::leg(&plan.unwrap_or_else(outbound_gone), &action))
    })
    .await
}

/// A key was pressed on it.
pub(super) async fn pressed(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "outbound-press", request, async |verified| {
        let key = key(&verified, "CallSid")?;
        let action = outbound(&state.public_url, "outbound-dialled", key.agency, key.call);
        let reports = outbound(&state.public_url, "outbound-leg", key.agency, key.call);
        let digits = field(&verified.form, "Digits").unwrap_or_default();
        Ok(match outbound_pressed(&state.services, key, digits).await? {
            Some(Ok(dial)) => twiml::dial(&dial, &action, &reports),
            Some(Err(plan)) => twiml::leg(&plan, ""),
            None => twiml::leg(&outbound_gone(), ""),
        })
    })
    .await
}

/// The contact's phone has stopped ringing, or the conversation is over.
pub(super) async fn dialled(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "outbound-dialled", request, async |verified| {
        let status = needed(&verified.form, "DialCallStatus")?.to_owned();
        let bridged = field(&verified.form, "DialBridged").and_then(|bridged| bridged.parse().ok());
        let talked = outbound_dialled(&state.services, key(&verified, "CallSid")?, status, bridged).await?;
        Ok(twiml::leg(&after_outbound(talked), ""))
    })
    .await
}

/// What became of the contact's phone.
pub(super) async fn leg_status(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "outbound-leg", request, async |verified| {
        let status = needed(&verified.form, "CallStatus")?;
        // The form is the leg's; the call is its parent.
        let key = key(&verified, "ParentCallSid")?;
        if let Some(known) = leg_report(status) {
            let report = LegReport {
                step: CONTACTS_LEG,
                user: None,
                sid: sid(&verified.form, "CallSid")?,
                state: known,
                ended: CallEnd::from_twilio(status).is_some(),
                seconds: seconds(&verified.form, "CallDuration"),
            };
            report_leg(&state.services, CallReport::Outbound(key), report).await?;
        }
        Ok(twiml::empty())
    })
    .await
}

fn key(verified: &Verified, call_sid: &str) -> Result<OutboundKey, Refused> {
    let id = |name: &str| field(&verified.query, name);
    let found = id("agency").and_then(|id| id.parse().ok()).zip(id("call").and_then(|id| id.parse().ok()));
    let (agency, call) = found.ok_or(Refused::With(StatusCode::BAD_REQUEST))?;
    Ok(OutboundKey { agency, call, account: verified.account, sid: sid(&verified.form, call_sid)? })
}
