//! The phones of the staff: what they hear when they are picked up, what their keys mean, what becomes of them.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{answer, needed, seconds, sid};
use crate::domain::call::leg_report;
use crate::domain::{CallEnd, UserId};
use crate::service::calls::{CallKey, CallReport, LegReport, Reached, picked_up, press as take_press, report_leg};
use crate::twilio::WebhookState;
use crate::twilio::form::field;
use crate::twilio::links::{LegAddress, Links};
use crate::twilio::twiml;
use crate::twilio::verified::{Refused, Verified};

/// A phone has been picked up, by somebody or by a mobile's own voicemail.
pub(super) async fn screen(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "screen", request, async |verified| {
        let leg = Leg::of(&state, &verified).await?;
        let plan = picked_up(&state.services, &leg.reached, leg.key.clone(), leg.part()).await;
        let links = Links { public_url: &state.public_url, call: &leg.key };
        Ok(twiml::leg(&plan, &links.leg("press", leg.step, Some(leg.user))))
    })
    .await
}

/// A key was pressed.
pub(super) async fn press(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "press", request, async |verified| {
        let leg = Leg::of(&state, &verified).await?;
        let digits = field(&verified.form, "Digits").unwrap_or_default();
        let part = leg.part();
        let plan = take_press(&state.services, leg.key, part, digits).await?;
        Ok(twiml::leg(&plan, ""))
    })
    .await
}

/// What became of a phone that rang. Source: Twilio, "TwiML: Number", status callbacks.
pub(super) async fn status(State(state): State<WebhookState>, request: Request) -> Response {
    answer(&state, "leg", request, async |verified| {
        let status = needed(&verified.form, "CallStatus")?;
        let leg = Leg::of(&state, &verified).await?;
        if let Some(known) = leg_report(status) {
            let report = LegReport {
                step: leg.step,
                user: Some(leg.user),
                sid: leg.sid.clone(),
                state: known,
                ended: CallEnd::from_twilio(status).is_some(),
                seconds: seconds(&verified.form, "CallDuration"),
            };
            report_leg(&state.services, CallReport::Inbound(leg.key), report).await?;
        }
        Ok(twiml::empty())
    })
    .await
}

/// A leg as its requests name it: its own name stands in the form, everything else in the address.
struct Leg {
    reached: Reached,
    key: CallKey,
    step: u8,
    user: UserId,
    sid: String,
}

impl Leg {
    async fn of(state: &WebhookState, verified: &Verified) -> Result<Self, Refused> {
        let wrong = || Refused::With(StatusCode::BAD_REQUEST);
        let address = LegAddress::of(&verified.query).ok_or_else(wrong)?;
        let user = address.user.ok_or_else(wrong)?;
        let services = &state.services;
        let found =
            services.calls.switchboard.by_id(services, address.agency, verified.account, address.number).await?;
        // Signed, and yet not of this account: another account's token signed it.
        let reached = found.filter(|reached| reached.directory.user(user).is_some());
        let reached = reached.ok_or(Refused::With(StatusCode::FORBIDDEN))?;
        let key = CallKey {
            agency: address.agency,
            account: verified.account,
            number: address.number,
            sid: address.call_sid,
            // Legs show the caller's own number, unless the carrier shows ours.
            from: field(&verified.form, "From")
                .filter(|from| !reached.directory.is_shared(from))
                .unwrap_or_default()
                .to_owned(),
        };
        Ok(Self { reached, key, step: address.step, user, sid: sid(&verified.form, "CallSid")? })
    }

    fn part(&self) -> (u8, UserId, String) {
        (self.step, self.user, self.sid.clone())
    }
}
