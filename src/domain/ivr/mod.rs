//! What callers hear and whom they reach: a pure planner. It is given what of the call's past matters
//! ([`Course`], which travels in the address of the next step), the number as it stands now ([`Office`])
//! and what has just happened ([`Happened`]), and says what to do next ([`Plan`]). No other place decides.
//!
//! Every path ends in a conversation, a voicemail or a spoken goodbye within [`MOST_STEPS`] plans.

use super::{ExtensionId, LegCallerId, RingStrategy, UserId};

mod plan;
mod screening;
#[cfg(test)]
mod tests;

pub use plan::plan;
pub use screening::{LegPlan, after_outbound, answer_press, ask_to_dial, outbound_gone, screen};

/// No call is given more plans than this.
pub const MOST_STEPS: u8 = 10;
/// The last plan that may let phones ring: a voicemail and a goodbye may follow.
const LAST_RING: u8 = MOST_STEPS - 2;
/// So many extensions that there are not may be dialled in one call.
const MOST_TRIES: u8 = 3;
/// So many phones ring at once. Source: Twilio, "TwiML: Number".
const MOST_LEGS: usize = 10;
/// The longest voicemail, in seconds. Twilio transcribes no recording that may become longer.
/// Source: Twilio, "Error 13617".
pub const VOICEMAIL_SECONDS: u16 = 120;

/// A phone that may ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phone<'a> {
    /// Whose.
    pub user: UserId,
    /// Its number.
    pub e164: &'a str,
}

/// An active extension that can be dialled on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Which.
    pub extension: ExtensionId,
    /// What is dialled.
    pub digits: &'a str,
    /// Whether it is valid on this number alone: such a one goes before one of the whole agency.
    pub of_number: bool,
    /// Whom it reaches.
    pub user: UserId,
    /// What they are called.
    pub name: &'a str,
    /// Their phone, if it may ring now.
    pub phone: Option<&'a str>,
}

/// A number and who is behind it, now.
#[derive(Debug, Clone)]
pub struct Office<'a> {
    /// The number itself.
    pub number: &'a str,
    /// Which number its phones show while they ring.
    pub leg_caller_id: LegCallerId,
    /// The caller's address, as Twilio names it; empty if it is withheld or no phone will ring.
    pub caller: &'a str,
    /// What the number is called.
    pub label: &'a str,
    /// What callers hear first, if not our own words.
    pub greeting: Option<&'a str>,
    /// What they hear before they leave a voicemail.
    pub voicemail_greeting: Option<&'a str>,
    /// Whether it is open.
    pub open: bool,
    /// How the main line rings.
    pub strategy: RingStrategy,
    /// How long a phone rings.
    pub ring_seconds: u16,
    /// The phones of the main line that may ring now, in the order in which they ring one by one.
    pub phones: Vec<Phone<'a>>,
    /// The extensions that can be dialled here.
    pub lines: Vec<Line<'a>>,
}

/// Whom a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Anybody.
    MainLine,
    /// The user of an extension.
    Extension(ExtensionId),
}

/// Phones that ring, or rang.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// For whom.
    pub target: Target,
    /// Whose phones.
    pub users: Vec<UserId>,
    /// Whose phones had rung before.
    pub before: Vec<UserId>,
    /// Whether they ring once more because they were cut off the first time.
    pub again: bool,
    /// When they began, in seconds since 1970.
    pub began: i64,
}

/// What of a call's past its next step depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Course {
    /// How many plans it has had.
    pub step: u8,
    /// How many extensions were dialled that there are not.
    pub tries: u8,
    /// The phones that were last rung.
    pub ring: Option<Ring>,
}

/// How a phone took it that it rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was picked up, though the caller was not connected.
    PickedUp,
    /// It rang to the end, was busy, or could not be reached.
    ToTheEnd,
    /// It stopped ringing when another one was picked up.
    CutOff,
}

/// What has just happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened<'a> {
    /// Somebody called.
    Called,
    /// They dialled this, or nothing.
    Keyed {
        /// What.
        digits: &'a str,
        /// Whether they have tried too many extensions in other calls.
        guesses: bool,
    },
    /// The phones have stopped ringing, and the caller is alone.
    NotConnected {
        /// How those took it that are known to have taken it in some way.
        heard: &'a [(UserId, Heard)],
    },
    /// The conversation is over.
    Talked,
    /// They have left a voicemail.
    Recorded,
    /// They have said nothing after the tone.
    Silent,
}

/// What to do with the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Say this, and wait for keys.
    Menu {
        /// How long to be silent first, in seconds: who guesses is slowed.
        pause: u8,
        /// What to say.
        say: String,
        /// What the next step is to know.
        next: Course,
    },
    /// Let phones ring.
    Ring {
        /// What to say first.
        say: Option<String>,
        /// Which phones.
        phones: Vec<(UserId, String)>,
        /// The number that they show.
        caller_id: String,
        /// How long, in seconds.
        seconds: u16,
        /// What the next step is to know.
        next: Course,
    },
    /// Ask for a voicemail.
    Voicemail {
        /// What to say.
        say: String,
        /// What the next step is to know.
        next: Course,
    },
    /// Hang up.
    HangUp {
        /// What to say first; nothing after a conversation.
        say: Option<String>,
    },
}

impl Plan {
    /// What the next step is to know; `None` if there is none.
    pub fn next(&self) -> Option<&Course> {
        match self {
            Self::Menu { next, .. } | Self::Ring { next, .. } | Self::Voicemail { next, .. } => Some(next),
            Self::HangUp { .. } => None,
        }
    }

    /// The sentence for a number that is nobody's.
    pub fn not_in_service() -> Self {
        Self::HangUp { say: Some("This number is not in service. Goodbye.".to_owned()) }
    }
}

impl Office<'_> {
    /// The active extension that these digits reach: the number's own before the agency's.
    pub fn line(&self, digits: &str) -> Option<&Line<'_>> {
        let with = |of_number: bool| self.lines.iter().find(move |l| l.digits == digits && l.of_number == of_number);
        with(true).or_else(|| with(false))
    }
}
