//! A key was pressed on a phone that rang. Of several users who press 1, exactly one gets the call, by one conditional
//! write that is durable before the answer.

use std::convert::Infallible;

use sea_orm::DbErr;

use super::record::{RecordedCall, write};
use super::rows::find_or_begin;
use super::{CallKey, LegKey, commit};
use crate::domain::LegState;
use crate::domain::call::{CallEvent, LegReport};
use crate::domain::ivr::{LegPlan, answer_press};
use crate::service::{Fault, Services};
use crate::store::calls;
use crate::store::writer::{Tx, Unit, UnitError, WhenAway};

/// Handles a pressed key and returns the instruction for the phone.
///
/// # Errors
/// If it cannot be recorded. The user does not have the call then.
pub async fn handle_press(services: &Services, call: CallKey, leg: LegKey, digits: &str) -> Result<LegPlan, Fault> {
    let agency = call.agency;
    let wants_call = digits == "1";
    let has_call = commit(services, agency, Press { call, leg, wants_call }).await?;
    Ok(answer_press(digits, wants_call.then_some(has_call)))
}

struct Press {
    call: CallKey,
    leg: LegKey,
    wants_call: bool,
}

impl Unit for Press {
    /// Whether the user has the call.
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        let Some(row) = find_or_begin(tx, self.call.agency, &[&self.call], tx.now).await?.pop() else {
            return Ok(false);
        };
        let mut call = RecordedCall::load(tx, row).await?;
        let LegKey { step, user, sid } = self.leg.clone();
        let has_call = self.wants_call && call.state.is_open_at(step.into()) && self.claim(tx, &call).await?;
        let report = |state| CallEvent::Leg(LegReport::new(step, Some(user), Some(sid.clone()), state));
        let event = match (self.wants_call, has_call) {
            (true, true) => CallEvent::Accepted { step: step.into(), user, sid: sid.clone() },
            (true, false) => report(LegState::AlreadyTaken),
            (false, _) => report(LegState::Declined),
        };
        call.apply(tx, &event);
        write(tx, call).await?;
        Ok(has_call)
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

impl Press {
    async fn claim(&self, tx: &Tx<'_>, call: &RecordedCall) -> Result<bool, DbErr> {
        match call.before() {
            // The row is inserted with the claim.
            None => Ok(true),
            Some(before) => calls::claim(tx.conn, before, &self.leg.sid, call.state.lost_claim()).await,
        }
    }
}
