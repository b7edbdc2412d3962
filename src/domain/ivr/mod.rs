//! The IVR of inbound calls, as a pure planner and the only place that decides what a caller hears and which phones
//! ring.
//!
//! From the state of the call ([`IvrState`], carried in the URL of the next step), the current configuration of the
//! number ([`Office`]) and an event ([`IvrEvent`]) it computes the next instruction ([`Plan`]). Every path ends in a
//! conversation, a voicemail or a spoken goodbye within [`MAX_STEPS`] plans.

use super::{ExtensionId, LegCallerId, RingStrategy, UserId};

mod plan;
mod screening;
#[cfg(test)]
mod tests;

pub use plan::plan;
pub use screening::{LegPlan, after_outbound, answer_press, ask_to_dial, outbound_gone, screen};

/// The maximum number of plans of one call.
pub const MAX_STEPS: u8 = 10;
/// The last step at which phones may ring, so that a voicemail and a goodbye can follow.
const LAST_RING: u8 = MAX_STEPS - 2;
/// The number of wrong extensions in one call after which the caller goes to the main line.
const MAX_WRONG_EXTENSIONS: u8 = 3;
/// The maximum number of phones that ring at once. Source: Twilio, "TwiML: Number".
const MAX_LEGS: usize = 10;
/// The longest voicemail, in seconds. Twilio does not transcribe recordings with a longer limit.
/// Source: Twilio, "Error 13617".
pub const VOICEMAIL_SECONDS: u16 = 120;

/// A phone that may ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phone<'a> {
    pub user: UserId,
    pub e164: &'a str,
}

/// An active extension that can be dialed on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub extension: ExtensionId,
    pub digits: &'a str,
    /// Whether the extension is scoped to this number. It then takes precedence over one of the whole agency.
    pub of_number: bool,
    pub user: UserId,
    /// The user's name.
    pub name: &'a str,
    /// The user's phone; `None` if it may not ring now.
    pub phone: Option<&'a str>,
}

/// The current configuration of a phone number: its greetings, hours, phones and extensions.
#[derive(Debug, Clone)]
pub struct Office<'a> {
    /// The phone number, in E.164.
    pub number: &'a str,
    /// The number that the phones show while they ring.
    pub leg_caller_id: LegCallerId,
    /// The caller's address as sent by Twilio; empty if it is withheld or no phone will ring.
    pub caller: &'a str,
    pub label: &'a str,
    /// The custom greeting; `None` for the default one.
    pub greeting: Option<&'a str>,
    /// The custom greeting before a voicemail of the main line; `None` for the default one.
    pub voicemail_greeting: Option<&'a str>,
    /// Whether it is within business hours.
    pub open: bool,
    /// The ring strategy of the main line.
    pub strategy: RingStrategy,
    pub ring_seconds: u16,
    /// The phones of the main line that may ring now, in the order of sequential ringing.
    pub phones: Vec<Phone<'a>>,
    pub lines: Vec<Line<'a>>,
}

/// The destination of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    MainLine,
    Extension(ExtensionId),
}

/// A ring attempt: the phones that ring or rang for one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    pub target: Target,
    /// The users whose phones ring in this attempt.
    pub users: Vec<UserId>,
    /// The users whose phones rang in earlier attempts.
    pub before: Vec<UserId>,
    /// Whether this attempt repeats one in which these phones were cut off.
    pub again: bool,
    /// The start of the attempt, in seconds since the Unix epoch.
    pub began: i64,
}

/// The part of a call's history that its next step depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IvrState {
    /// The number of plans so far.
    pub step: u8,
    /// The number of wrong extensions dialed so far.
    pub tries: u8,
    /// The last ring attempt.
    pub ring: Option<Ring>,
}

/// The outcome of one leg of a ring attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegOutcome {
    /// The phone was picked up, but the caller was not connected.
    PickedUp,
    /// The phone rang for the whole time, was busy, or could not be reached.
    Unanswered,
    /// The phone stopped ringing because another one was picked up.
    CutOff,
}

/// An event of a call that requires a new plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IvrEvent<'a> {
    CallStarted,
    /// The caller dialed digits, or nothing before the timeout.
    DigitsEntered {
        /// The digits; empty if nothing was dialed.
        digits: &'a str,
        /// Whether the caller has dialed too many wrong extensions in other calls.
        guess_limit_reached: bool,
    },
    /// The phones have stopped ringing, and the caller was not connected.
    NotConnected {
        /// The outcome of each leg that has reported one.
        outcomes: &'a [(UserId, LegOutcome)],
    },
    ConversationEnded,
    VoicemailLeft,
    /// The caller left no message after the tone.
    NoMessageLeft,
}

/// The next instruction for the caller's leg. Each variant carries the state for the next step in `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Say a prompt and wait for digits.
    Menu {
        /// The silence before the prompt, in seconds. It slows down guessing.
        pause: u8,
        say: String,
        next: IvrState,
    },
    /// Ring phones.
    Ring {
        /// The prompt before the phones ring, if any.
        say: Option<String>,
        /// The users and their phones, in E.164.
        phones: Vec<(UserId, String)>,
        caller_id: String,
        /// The ring time.
        seconds: u16,
        next: IvrState,
    },
    /// Say a prompt and record a voicemail.
    Voicemail { say: String, next: IvrState },
    HangUp {
        /// The sentence before hanging up; `None` after a conversation.
        say: Option<String>,
    },
}

impl Plan {
    /// The state for the next step; `None` if the call ends.
    pub fn next(&self) -> Option<&IvrState> {
        match self {
            Self::Menu { next, .. } | Self::Ring { next, .. } | Self::Voicemail { next, .. } => Some(next),
            Self::HangUp { .. } => None,
        }
    }

    /// The destination whose phones ring, or that has no phone left to ring. `None` if no phones are to ring: in a
    /// menu, after a conversation, and for a call that arrives outside business hours (`open` is false).
    pub fn destination(&self, open: bool) -> Option<Target> {
        let (Self::Ring { next, .. } | Self::Voicemail { next, .. }) = self else { return None };
        // A call that arrives outside business hours goes to the voicemail in its first step.
        next.ring.as_ref().filter(|_| open || next.step > 1).map(|ring| ring.target)
    }
}

impl Office<'_> {
    /// The active extension with these digits. One that is scoped to the number takes precedence over an agency-wide
    /// one.
    pub fn line(&self, digits: &str) -> Option<&Line<'_>> {
        let with = |of_number: bool| self.lines.iter().find(move |l| l.digits == digits && l.of_number == of_number);
        with(true).or_else(|| with(false))
    }
}
