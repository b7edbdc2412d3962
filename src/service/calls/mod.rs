//! Calls: who is called is found in memory, what the caller hears is planned by `domain::ivr`, and the row
//! of the call is written behind the answer. What must not be lost is written before it: a press of 1, a
//! voicemail, how the call ended.

use crate::domain::ivr::Plan;
use crate::domain::{AccountId, AgencyId, CallStage, ExtensionId, LegState, PhoneNumberId, UserId};

mod after_dial;
mod answer;
mod guesses;
mod keep;
mod log;
mod look;
mod outbound;
mod press;
mod report;
mod rows;
mod settle;
mod switchboard;
mod voicemail;

pub use after_dial::{DialEnd, after_dial};
pub use answer::{answer_call, keyed, picked_up};
pub use guesses::Guesses;
pub use log::CallLog;
pub use look::look_at_calls;
pub use outbound::{Dial, OutboundKey, StartCall, outbound_dialled, outbound_picked_up, outbound_pressed, start_call};
pub use press::press;
pub use report::{CallReport, LegReport, report_call, report_leg};
pub use switchboard::{Reached, Switchboard};
pub use voicemail::{Recording, left_voicemail, said_nothing, transcribed};

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

impl Progress {
    /// What a plan means for the course of the call.
    fn of(plan: &Plan, reached: &Reached) -> Self {
        let step = |course: &crate::domain::ivr::Course| i32::from(course.step);
        match plan {
            Plan::Menu { next, .. } => Self { step: step(next), stage: Some(CallStage::Greeting), ..Self::default() },
            Plan::Ring { phones, next, .. } => Self {
                step: step(next),
                stage: Some(CallStage::Ringing),
                extension: reached.extension_of(next),
                rings: phones.iter().map(|(user, _)| *user).collect(),
                ..Self::default()
            },
            Plan::Voicemail { next, .. } => Self {
                step: step(next),
                stage: Some(CallStage::Recording),
                extension: reached.extension_of(next),
                ..Self::default()
            },
            Plan::HangUp { .. } => {
                Self { step: crate::domain::ivr::MOST_STEPS.into(), stage: Some(CallStage::Done), ..Self::default() }
            }
        }
    }
}
