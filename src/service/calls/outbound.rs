//! The steps of a call that a user started: the user's own phone is picked up, the user presses 1, and the contact's
//! phone rings.

use std::convert::Infallible;

use sea_orm::DbErr;

use super::record::{RecordedCall, write};
use super::rows::CallRow;
use crate::domain::call::{CallEvent, CallStep, LegReport, leg_report, was_picked_up};
use crate::domain::ivr::{LegPlan, answer_press, ask_to_dial};
use crate::domain::{AccountId, AgencyId, CallEnd, CallId, CallStage, Direction, LegState};
use crate::entity::call;
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError, WhenAway};
use crate::store::{calls, contacts};

/// How long a phone rings.
pub(super) const RING_SECONDS: u16 = 30;
/// The longest conversation, which bounds the cost of one that nobody ended.
const MAX_CONVERSATION_SECONDS: u16 = 2 * 60 * 60;

/// The step in which the user's own phone rings.
pub(super) const OWN_LEG: u8 = 1;
/// The step in which the contact's phone rings.
pub const CONTACT_LEG: u8 = 2;

/// A call that a user started, as its requests identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundKey {
    pub agency: AgencyId,
    pub call: CallId,
    /// The account whose token signed the request.
    pub account: AccountId,
    pub sid: String,
}

/// The recipient to connect with a user who pressed 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The shared number.
    pub from: String,
    /// The contact's number.
    pub to: String,
    pub ring_seconds: u16,
    /// The limit of the conversation, in seconds.
    pub limit_seconds: u16,
}

/// The user's own phone was picked up, by the user or by the phone's voicemail. `None` if the call does not exist.
pub async fn screen_outbound(services: &Services, key: OutboundKey) -> Result<Option<LegPlan>, Fault> {
    let agency = key.agency;
    let Some(call) = services.writer.run(agency, OwnLeg { key, wants_call: None }).await? else { return Ok(None) };
    let directory = services.read_with_retry(|| services.directories.get(agency)).await?;
    let number = directory.as_ref().and_then(|directory| directory.number(call.0.phone_number_id));
    Ok(Some(ask_to_dial(number.map_or("your number", |number| &number.label))))
}

/// A key was pressed on the user's own phone. Returns the recipient to dial, or the sentence to say. `None` if the call
/// does not exist.
pub async fn handle_outbound_press(
    services: &Services,
    key: OutboundKey,
    digits: &str,
) -> Result<Option<Result<Dial, LegPlan>>, Fault> {
    let agency = key.agency;
    let wants_call = digits == "1";
    let Some((call, dial)) = services.writer.run(agency, OwnLeg { key, wants_call: Some(wants_call) }).await? else {
        return Ok(None);
    };
    Ok(Some(match dial.filter(|_| wants_call && call.end.is_none()) {
        Some(dial) => Ok(dial),
        None => Err(answer_press(digits, wants_call.then_some(false))),
    }))
}

/// Records what happened on the user's own phone.
struct OwnLeg {
    key: OutboundKey,
    /// Whether 1 was pressed; `None` if no key was pressed yet.
    wants_call: Option<bool>,
}

impl Unit for OwnLeg {
    type Output = Option<(call::Model, Option<Dial>)>;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, UnitError> {
        let Some(row) = find(tx, &self.key).await? else { return Ok(None) };
        let mut call = RecordedCall::load(tx, row).await?;
        let state = match self.wants_call {
            None => LegState::PickedUp,
            Some(true) => LegState::Accepted,
            Some(false) => LegState::Declined,
        };
        if let Some(user) = call.state.started_by {
            let report = LegReport::new(OWN_LEG, Some(user), Some(self.key.sid.clone()), state);
            call.apply(tx, &CallEvent::Leg(report));
        }
        if self.wants_call == Some(true) && call.state.end.is_none() {
            let (step, stage) = (CONTACT_LEG.into(), Some(CallStage::Ringing));
            call.apply(tx, &CallEvent::Step(CallStep { step, stage, ..CallStep::default() }));
            call.apply(tx, &CallEvent::Leg(LegReport::new(CONTACT_LEG, None, None, LegState::Ringing)));
        }
        let call = write(tx, call).await?;
        let dial = dial(tx, &call).await?;
        Ok(Some((call, dial)))
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

async fn dial(tx: &mut Tx<'_>, call: &call::Model) -> Result<Option<Dial>, DbErr> {
    let directory = tx.directory(call.agency_id).await?;
    let number = directory.number(call.phone_number_id).map(|number| number.e164.clone());
    let contact = match call.contact_id {
        Some(id) => contacts::by_ids(tx.conn, call.agency_id, &[id]).await?.pop(),
        None => None,
    };
    Ok(number.zip(contact).map(|(from, contact)| Dial {
        from,
        to: contact.phone,
        ring_seconds: RING_SECONDS,
        limit_seconds: MAX_CONVERSATION_SECONDS,
    }))
}

/// Records that the contact's phone stopped ringing, or that the conversation is over. Returns whether there was a
/// conversation.
///
/// # Errors
/// If it is not stored; the carrier must repeat it.
pub async fn outbound_dial_ended(
    services: &Services,
    key: OutboundKey,
    status: String,
    bridged: Option<bool>,
) -> Result<bool, Fault> {
    let agency = key.agency;
    Ok(services.writer.run(agency, OutboundDialEnd { key, status, bridged }).await?)
}

struct OutboundDialEnd {
    key: OutboundKey,
    status: String,
    bridged: Option<bool>,
}

impl Unit for OutboundDialEnd {
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        let Some(row) = find(tx, &self.key).await? else { return Ok(false) };
        let mut call = RecordedCall::load(tx, row).await?;
        let talked = self.bridged.unwrap_or(was_picked_up(&self.status));
        // Only a conversation counts as picked up here: a status of `completed` may contradict `DialBridged`.
        let state = if talked { Some(LegState::Connected) } else { leg_report(&self.status) };
        if let Some(state) = state.filter(|state| *state != LegState::PickedUp) {
            call.apply(tx, &CallEvent::Leg(LegReport::new(CONTACT_LEG, None, None, state).ended(None)));
        }
        let end = if talked { Some(CallEnd::Completed) } else { CallEnd::from_twilio(&self.status) };
        call.apply(tx, &CallEvent::Ended { end: end.unwrap_or(CallEnd::NoAnswer), seconds: None });
        write(tx, call).await?;
        Ok(talked)
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

/// The call of a request, with the SID in the request. `None` if the call does not exist or the request was signed with
/// the token of another account.
pub(super) async fn find(tx: &Tx<'_>, key: &OutboundKey) -> Result<Option<CallRow>, DbErr> {
    let found = calls::by_id(tx.conn, key.agency, key.call).await?;
    let is_own = |call: &call::Model| call.twilio_account_id == key.account && call.direction == Direction::Outbound;
    let Some(before) = found.filter(is_own) else { return Ok(None) };
    let mut after = before.clone();
    after.provider_sid = after.provider_sid.or_else(|| Some(key.sid.clone()));
    Ok(Some(CallRow { before: Some(before), after }))
}
