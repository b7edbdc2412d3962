//! Calls: who is called is found in memory, what the caller hears is planned by `domain::ivr`, and the row
//! of the call is written behind the answer. What must not be lost is written before it: a press of 1, a
//! voicemail, how the call ended.

use super::Services;
use crate::domain::ivr::{MOST_STEPS, Plan};
use crate::domain::{
    AccountId, AgencyId, CallStage, CallerIdVerification, ExtensionId, LegState, PhoneNumberId, UserId,
};
use crate::store::writer::{Unit, WriteError};

mod after_dial;
mod answer;
mod guesses;
mod keep;
mod log;
mod look;
mod outbound;
mod press;
mod recordings;
mod report;
mod rows;
mod settle;
mod switchboard;
mod voicemail;

pub use after_dial::{DialEnd, after_dial};
pub use answer::{answer_call, keyed, picked_up, recording_to_come};
pub use guesses::Guesses;
pub use log::CallLog;
pub use look::look_at_calls;
pub use outbound::{
    CONTACTS_LEG, Dial, OutboundKey, StartCall, outbound_dialled, outbound_picked_up, outbound_pressed, start_call,
};
pub use press::press;
pub use report::{CallReport, LegReport, report_call, report_leg};
pub use switchboard::{Reached, Switchboard};
pub use voicemail::{Recording, left_voicemail, said_nothing, transcribed, withdraw_recording};

/// What calls work with.
pub struct Calls {
    /// Finds whom a call is for.
    pub switchboard: Switchboard,
    /// Writes calls behind their answers.
    pub log: CallLog,
    /// Who dials too many extensions.
    pub guesses: Guesses,
    /// The address that says what a user's own phone is to hear, without a query.
    pub outbound_url: String,
    /// The address to which the end of a call is reported, without a query.
    pub status_url: String,
}

/// A call as every request about it names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallKey {
    /// Whose number was called.
    pub agency: AgencyId,
    /// The account whose token signed the request.
    pub account: AccountId,
    /// Which number was called.
    pub number: PhoneNumberId,
    /// Twilio's name for the call.
    pub sid: String,
    /// Who calls, as Twilio names them.
    pub from: String,
}

/// What one step adds to the course of a call.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Which step, from 1.
    step: i32,
    stage: Option<CallStage>,
    /// Whether an extension was dialled that there is not.
    wrong: bool,
    /// The extension that was dialled, and whom it reaches.
    extension: Option<(ExtensionId, UserId)>,
    /// Whose phones ring from now on.
    rings: Vec<UserId>,
    /// What became known of a leg.
    leg: Option<LegNews>,
    /// The carrier's verdict on the caller ID.
    verification: Option<CallerIdVerification>,
}

/// What became known of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LegNews {
    /// The step of the call that let it ring.
    step: i32,
    /// Whose phone; `None` is the contact's.
    user: Option<UserId>,
    /// Twilio's name for it.
    sid: Option<String>,
    state: LegState,
    /// Whether it is over.
    ended: bool,
    seconds: Option<i32>,
}

impl LegNews {
    /// Something that became known of a leg that goes on.
    fn of(step: impl Into<i32>, user: Option<UserId>, sid: Option<String>, state: LegState) -> Self {
        Self { step: step.into(), user, sid, state, ended: false, seconds: None }
    }

    /// The same of a leg that is over, after so many seconds if the carrier says.
    fn over(self, seconds: Option<i32>) -> Self {
        Self { ended: true, seconds, ..self }
    }
}

impl Progress {
    /// What a plan means for the course of the call.
    fn of(plan: &Plan, reached: &Reached) -> Self {
        let stage = match plan {
            Plan::Menu { .. } => CallStage::Greeting,
            Plan::Ring { .. } => CallStage::Ringing,
            Plan::Voicemail { .. } => CallStage::Recording,
            Plan::HangUp { .. } => CallStage::Done,
        };
        let rings = match plan {
            Plan::Ring { phones, .. } => phones.iter().map(|(user, _)| *user).collect(),
            Plan::Menu { .. } | Plan::Voicemail { .. } | Plan::HangUp { .. } => Vec::new(),
        };
        Self {
            // Nothing comes after a goodbye.
            step: plan.next().map_or(MOST_STEPS, |next| next.step).into(),
            stage: Some(stage),
            extension: plan.next().and_then(|next| reached.extension_of(next)),
            rings,
            ..Self::default()
        }
    }
}

/// Commits a piece of work about calls, once all that was noted of them before is written.
async fn commit<U: Unit>(services: &Services, agency: AgencyId, unit: U) -> Result<U::Output, WriteError> {
    services.calls.log.written().await;
    services.writer.run(agency, unit).await
}
