//! Callbacks about a call or a leg, which arrive in any order, repeatedly, or late.

use std::convert::Infallible;

use super::outbound::{self, OWN_LEG, OutboundKey};
use super::record::record;
use super::rows::find_or_begin;
use super::{CallKey, commit};
use crate::domain::call::{CallEvent, LegReport};
use crate::domain::{AgencyId, CallEnd, LegState};
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError, WhenAway};

/// The call that a callback is about.
#[derive(Debug, Clone)]
pub enum CallReference {
    Inbound(CallKey),
    Outbound(OutboundKey),
}

impl CallReference {
    fn agency(&self) -> AgencyId {
        match self {
            Self::Inbound(key) => key.agency,
            Self::Outbound(key) => key.agency,
        }
    }
}

/// Records how a call ended.
///
/// # Errors
/// If it is not stored; the carrier must repeat it.
pub async fn record_call_end(
    services: &Services,
    call: CallReference,
    end: CallEnd,
    seconds: Option<i32>,
) -> Result<(), Fault> {
    Ok(commit(services, call.agency(), Callback { call, event: CallEvent::Ended { end, seconds } }).await?)
}

/// Records the status of a leg.
///
/// # Errors
/// If it is not stored; the carrier must repeat it.
pub async fn record_leg_status(services: &Services, call: CallReference, report: LegReport) -> Result<(), Fault> {
    Ok(commit(services, call.agency(), Callback { call, event: CallEvent::Leg(report) }).await?)
}

struct Callback {
    call: CallReference,
    event: CallEvent,
}

impl Unit for Callback {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let row = match &self.call {
            CallReference::Inbound(key) => find_or_begin(tx, key.agency, &[key], tx.now).await?.pop(),
            CallReference::Outbound(key) => outbound::find(tx, key).await?,
        };
        let Some(row) = row else { return Ok(()) };
        let mut events = Vec::new();
        // An outbound call is at the same time the leg to the user's own phone.
        if let (CallReference::Outbound(key), CallEvent::Ended { end, seconds }) = (&self.call, &self.event)
            && let Some(user) = row.after.started_by_id
        {
            let report = LegReport::new(OWN_LEG, Some(user), Some(key.sid.clone()), own_leg_state(*end));
            events.push(CallEvent::Leg(report.ended(*seconds)));
        }
        events.push(self.event.clone());
        record(tx, row, &events).await.map(drop)
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

/// The state of the user's own leg after the end of an outbound call.
fn own_leg_state(end: CallEnd) -> LegState {
    match end {
        // The phone was picked up; a pressed key shows whether the user did it.
        CallEnd::Completed => LegState::PickedUp,
        CallEnd::Busy => LegState::Busy,
        CallEnd::NoAnswer => LegState::NoAnswer,
        CallEnd::Canceled => LegState::Canceled,
        CallEnd::Failed => LegState::Failed,
    }
}
