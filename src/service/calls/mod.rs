//! Calls.
//!
//! The called number is found in memory ([`Switchboard`]), and `domain::ivr` plans what the caller hears. Everything
//! that happens in a call is a [`CallEvent`], and [`record`](record::record) is the only place that writes one. The
//! steps of a caller are recorded behind the answer ([`CallLog`]); an accepted leg, a voicemail and the end of a call
//! are recorded before it.

use chrono::{DateTime, Utc};

use crate::domain::call::{CallEvent, CallStep};
use crate::domain::ivr::{IvrState, MAX_STEPS, Plan};
use crate::domain::{AccountId, AgencyId, CallStage, CallerIdVerification, PhoneNumberId, UserId};
use crate::service::Services;
use crate::store::writer::{Unit, WriteError};

mod accept;
mod answer;
mod callbacks;
mod check_overdue;
mod dial_end;
mod extension_guesses;
mod import;
mod log;
mod missed_call;
mod outbound;
mod record;
mod recordings;
mod rows;
mod start_call;
mod switchboard;
mod voicemail;

pub use accept::handle_press;
pub use answer::{answer_call, handle_digits, recording_pending, screen_leg};
pub use callbacks::{CallReference, record_call_end, record_leg_status};
pub use check_overdue::check_overdue_calls;
pub use dial_end::{DialEnd, handle_dial_end};
pub use extension_guesses::ExtensionGuesses;
pub use import::{EndedCall, import_call};
pub use log::{CallLog, CallLogWriter};
pub use outbound::{CONTACT_LEG, Dial, OutboundKey, handle_outbound_press, outbound_dial_ended, screen_outbound};
pub use start_call::{StartCall, own_phone, start_call};
pub use switchboard::{CalledNumber, Switchboard};
pub use voicemail::{Recording, record_no_message, record_transcript, record_voicemail, withdraw_recording};

/// The dependencies and the state of calls.
pub struct Calls {
    pub switchboard: Switchboard,
    pub log: CallLog,
    pub extension_guesses: ExtensionGuesses,
    /// The URL of the webhook that instructs a user's own phone, without a query.
    pub outbound_url: String,
    /// The URL of the webhook for the end of a call, without a query.
    pub status_url: String,
}

/// An inbound call, as each request about it identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallKey {
    pub agency: AgencyId,
    /// The account whose token signed the request.
    pub account: AccountId,
    /// The number that was called.
    pub number: PhoneNumberId,
    pub sid: String,
    /// The caller ID as sent by Twilio; empty if the request does not contain it.
    pub from: String,
}

/// A leg to a user's phone, as its requests identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegKey {
    /// The step of the call in which the phone rings.
    pub step: u8,
    pub user: UserId,
    pub sid: String,
}

/// The event that the caller is sent the document of a plan, which was made at `now`.
fn step_event(
    plan: &Plan,
    number: &CalledNumber,
    now: DateTime<Utc>,
    verification: Option<CallerIdVerification>,
) -> CallEvent {
    let (stage, rings) = match plan {
        Plan::Menu { .. } => (CallStage::Greeting, Vec::new()),
        Plan::Ring { phones, .. } => (CallStage::Ringing, phones.iter().map(|(user, _)| *user).collect()),
        Plan::Voicemail { .. } => (CallStage::Recording, Vec::new()),
        Plan::HangUp { .. } => (CallStage::Done, Vec::new()),
    };
    CallEvent::Step(CallStep {
        // No step follows after hanging up.
        step: plan.next().map_or(MAX_STEPS, |next| next.step).into(),
        stage: Some(stage),
        wrong_extensions: plan.next().map(|next| next.tries.into()),
        extension: plan.next().and_then(|next| number.extension_of(next)),
        rings,
        not_rung: number.not_rung(plan, now),
        verification,
    })
}

/// The event that the caller is recording, in the state in which the recording was requested.
fn recording_event(number: &CalledNumber, state: &IvrState) -> CallEvent {
    CallEvent::Step(CallStep {
        step: state.step.into(),
        stage: Some(CallStage::Recording),
        extension: number.extension_of(state),
        ..CallStep::default()
    })
}

/// Commits a unit about calls, after everything that was appended to the log before.
async fn commit<U: Unit>(services: &Services, agency: AgencyId, unit: U) -> Result<U::Output, WriteError<U::Refusal>> {
    services.calls.log.flush().await;
    services.writer.run(agency, unit).await
}
