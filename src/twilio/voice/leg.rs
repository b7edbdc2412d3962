//! The legs of an inbound call, which ring the users' phones: screening, the pressed key, and status callbacks.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{required, respond, seconds, sid};
use crate::domain::CallEnd;
use crate::domain::call::{LegReport, leg_report};
use crate::service::calls::{
    CallKey, CallReference, CalledNumber, LegKey, handle_press, record_leg_status, screen_leg,
};
use crate::twilio::WebhookState;
use crate::twilio::call_urls::{CallUrls, LegParameters};
use crate::twilio::form::field;
use crate::twilio::twiml;
use crate::twilio::verified::{VerifiedRequest, WebhookRejection};

/// A phone was picked up, by a person or by the voicemail of the phone.
pub(super) async fn screen(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "screen", request, async |verified| {
        let leg = Leg::load(&state, &verified).await?;
        let plan = screen_leg(&state.services, &leg.number, leg.key.clone(), leg.leg.clone()).await;
        let urls = CallUrls { public_url: &state.public_url, call: &leg.key };
        Ok(twiml::leg(&plan, &urls.leg("press", leg.leg.step, Some(leg.leg.user))))
    })
    .await
}

/// A key was pressed on a phone that was picked up.
pub(super) async fn press(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "press", request, async |verified| {
        let leg = Leg::load(&state, &verified).await?;
        let digits = field(&verified.form, "Digits").unwrap_or_default();
        let plan = handle_press(&state.services, leg.key, leg.leg, digits).await?;
        Ok(twiml::leg(&plan, ""))
    })
    .await
}

/// The status of a leg. Source: Twilio, "TwiML: Number", status callbacks.
pub(super) async fn status(State(state): State<WebhookState>, request: Request) -> Response {
    respond(&state, "leg", request, async |verified| {
        let status = required(&verified.form, "CallStatus")?;
        let leg = Leg::load(&state, &verified).await?;
        if let Some(reported) = leg_report(status) {
            let LegKey { step, user, sid } = leg.leg;
            let report = LegReport {
                step: step.into(),
                user: Some(user),
                sid: Some(sid),
                state: reported,
                has_ended: CallEnd::from_twilio(status).is_some(),
                seconds: seconds(&verified.form, "CallDuration"),
            };
            record_leg_status(&state.services, CallReference::Inbound(leg.key), report).await?;
        }
        Ok(twiml::empty_document())
    })
    .await
}

/// A leg as identified by its requests: its SID is in the form, everything else in the query.
struct Leg {
    number: CalledNumber,
    key: CallKey,
    leg: LegKey,
}

impl Leg {
    async fn load(state: &WebhookState, verified: &VerifiedRequest) -> Result<Self, WebhookRejection> {
        let bad_request = || WebhookRejection::Status(StatusCode::BAD_REQUEST);
        let parameters = LegParameters::parse(&verified.query).ok_or_else(bad_request)?;
        let user = parameters.user.ok_or_else(bad_request)?;
        let services = &state.services;
        let found =
            services.calls.switchboard.by_id(services, parameters.agency, verified.account, parameters.number).await?;
        // The signature is valid, but it was made with the auth token of another account.
        let number = found.filter(|number| number.directory.user(user).is_some());
        let number = number.ok_or(WebhookRejection::Status(StatusCode::FORBIDDEN))?;
        let key = CallKey {
            agency: parameters.agency,
            account: verified.account,
            number: parameters.number,
            sid: parameters.call_sid,
            // `From` is the caller's number, unless the carrier shows the agency's number.
            from: field(&verified.form, "From")
                .filter(|from| !number.directory.is_shared(from))
                .unwrap_or_default()
                .to_owned(),
        };
        let leg = LegKey { step: parameters.step, user, sid: sid(&verified.form, "CallSid")? };
        Ok(Self { number, key, leg })
    }
}
