//! The end of a Dial: the conversation is over, or the phones stopped ringing and the caller goes on.

use std::convert::Infallible;
use std::time::Duration;

use super::record::{RecordedCall, write};
use super::rows::find_or_begin;
use super::{CallKey, CalledNumber, commit, step_event};
use crate::domain::call::{CallEvent, DialResult, Leg};
use crate::domain::ivr::{IvrEvent, IvrState, LegOutcome, Plan, plan};
use crate::domain::{CallEnd, LegState, UserId};
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError, WhenAway, WriteError};

/// The longest time that a caller on the line waits for the database.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);

/// The carrier's report on the end of a Dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialEnd {
    /// Whether the caller was connected with a leg; `None` if the request does not contain it.
    pub bridged: Option<bool>,
    /// The `DialCallStatus`; `None` if the request does not contain it.
    pub status: Option<String>,
    /// The SID of the leg that the status is about.
    pub leg_sid: Option<String>,
    /// The length of the conversation.
    pub seconds: Option<i32>,
    /// How the call itself ended, if it has.
    pub caller_gone: Option<CallEnd>,
}

impl DialEnd {
    /// Whether the caller is on the line and has not talked to anybody. Without a status, only the stored call shows
    /// whether there was a conversation.
    fn is_caller_waiting(&self) -> bool {
        self.status.is_some() && self.bridged != Some(true) && self.caller_gone.is_none()
    }
}

/// Records the end of a Dial and returns the next instruction for the caller.
///
/// # Errors
/// If it cannot be recorded and the caller is not waiting; the carrier must repeat it. A waiting caller goes on in any
/// case.
pub async fn handle_dial_end(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: IvrState,
    dial: DialEnd,
) -> Result<Plan, Fault> {
    let (agency, is_waiting) = (key.agency, dial.is_caller_waiting());
    let unit = RecordDialEnd { number: number.clone(), key: key.clone(), state: state.clone(), dial };
    let recorded = tokio::select! {
        recorded = commit(services, agency, unit) => recorded,
        () = services.clock.sleep(WRITE_TIMEOUT), if is_waiting => Err(WriteError::Failed),
    };
    match recorded {
        Ok(plan) => Ok(plan),
        Err(error) if is_waiting => {
            tracing::error!(%error, "the end of a Dial was not recorded; the caller goes on");
            let now = services.clock.now();
            let event = IvrEvent::NotConnected { outcomes: &[] };
            Ok(plan(&number.office_for(&key, now), &state, event, now.timestamp()))
        }
        Err(error) => Err(error.into()),
    }
}

struct RecordDialEnd {
    number: CalledNumber,
    key: CallKey,
    state: IvrState,
    dial: DialEnd,
}

impl Unit for RecordDialEnd {
    type Output = Plan;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Plan, UnitError> {
        let Some(row) = find_or_begin(tx, self.key.agency, &[&self.key], tx.now).await?.pop() else {
            return Ok(Plan::HangUp { say: None });
        };
        let mut call = RecordedCall::load(tx, row).await?;
        let step = i32::from(self.state.step);
        let bridged = call.state.was_bridged(self.dial.bridged, self.dial.status.as_deref());
        call.apply(tx, &CallEvent::DialEnded(self.result(bridged)));
        let outcomes = leg_outcomes(&call.state.legs, step);
        let event = if bridged { IvrEvent::ConversationEnded } else { IvrEvent::NotConnected { outcomes: &outcomes } };
        let plan = plan(&self.number.office_for(&self.key, tx.now), &self.state, event, tx.now.timestamp());
        let is_current = call.state.step == step;
        if let Some(end) = self.dial.caller_gone {
            call.apply(tx, &CallEvent::Ended { end, seconds: None });
        } else if is_current && bridged {
            call.apply(tx, &CallEvent::Ended { end: CallEnd::Completed, seconds: None });
        } else if is_current {
            call.apply(tx, &step_event(&plan, &self.number, tx.now, None));
        }
        write(tx, call).await?;
        Ok(plan)
    }

    /// A waiting caller goes on immediately, without the outcomes of the legs.
    fn when_away(&self) -> WhenAway {
        if self.dial.is_caller_waiting() { WhenAway::Fail } else { WhenAway::Retry }
    }
}

impl RecordDialEnd {
    fn result(&self, bridged: bool) -> DialResult {
        // Twilio reports the status of a leg only if it was the only one.
        let single = self.state.ring.as_ref().and_then(|ring| match ring.users.as_slice() {
            [user] => Some(*user),
            _ => None,
        });
        DialResult {
            step: self.state.step.into(),
            extension: self.number.extension_of(&self.state),
            bridged,
            leg_sid: self.dial.leg_sid.clone(),
            single: single.zip(self.dial.status.clone()),
            seconds: self.dial.seconds,
        }
    }
}

/// The outcomes of the legs of a step that have reported one.
fn leg_outcomes(legs: &[Leg], step: i32) -> Vec<(UserId, LegOutcome)> {
    let of_step = legs.iter().filter(|leg| leg.step == step);
    of_step
        .filter_map(|leg| {
            let outcome = match leg.state {
                LegState::Ringing => return None,
                LegState::Canceled => LegOutcome::CutOff,
                LegState::NoAnswer | LegState::Busy | LegState::Failed => LegOutcome::Unanswered,
                LegState::PickedUp
                | LegState::Declined
                | LegState::AlreadyTaken
                | LegState::Accepted
                | LegState::Connected => LegOutcome::PickedUp,
            };
            Some((leg.user?, outcome))
        })
        .collect()
}
