//! Scripts of the people on a call: the caller, and the person at a called phone.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::settings::LegPolicy;

/// Seconds into a Gather at which a key is pressed.
const PRESS_AFTER: u32 = 1;
/// Seconds until a declining phone rejects the call.
const DECLINE_AFTER: u32 = 3;
/// Seconds until a caller ends a conversation.
const TALK: u32 = 3;
/// Seconds that a caller without a `Speak` step speaks after the beep.
const SPEAK: u32 = 5;

/// A call to a number and the actions of its caller. In JSON:
/// `{"from": "+13035560001", "to": "+13035550100", "steps": [{"dial": "101#"}, "hangUp"]}`.
///
/// After the last step, the caller presses no keys, speaks for five seconds after a beep, and ends a conversation after
/// `talk` seconds. All times are simulated seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallScript {
    /// The caller ID, which need not be a phone number (`anonymous`).
    pub from: String,
    /// The called number in E.164.
    pub to: String,
    /// The actions of the caller, in order. Each waits for the first verb that it applies to.
    #[serde(default)]
    pub steps: Vec<CallerStep>,
    /// Seconds until the caller ends a conversation, unless the other party ends it first. Default: 3.
    #[serde(default = "talk")]
    pub talk: u32,
    /// True to run the call 100 times as fast. Default: false.
    #[serde(default)]
    pub fast: bool,
    /// Overrides [`super::super::SimulatorSettings::legs`] for this call.
    #[serde(default)]
    pub legs: Option<LegPolicy>,
}

fn talk() -> u32 {
    TALK
}

impl CallScript {
    /// A call whose caller only listens.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), steps: Vec::new(), talk: TALK, fast: false, legs: None }
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: CallerStep) -> Self {
        self.steps.push(step);
        self
    }

    /// Sets the number of seconds after which the caller ends a conversation.
    #[must_use]
    pub fn talks(self, seconds: u32) -> Self {
        Self { talk: seconds, ..self }
    }
}

/// One action of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallerStep {
    /// Presses these keys at the next Gather. With its default settings, `#` ends it immediately; without `#`, it ends
    /// by timeout. A single key right after `Speak` ends the recording if it is one of its `finishOnKey`.
    Dial(String),
    /// Presses no key at the next Gather.
    Wait,
    /// Speaks for this many seconds at the next Record, then falls silent. 0 leaves a silent recording.
    Speak(u32),
    /// Hangs up when the next Gather, Record or Dial begins. Right after `Speak`, hangs up during the recording.
    HangUp,
    /// Hangs up this many seconds after the start of the next Dial, even if a phone has been bridged.
    HangUpAfter(u32),
}

/// The reaction of a phone to a call. In JSON: `{"answers": {"after": 2, "presses": "1"}}`, `"busy"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PhoneScript {
    /// A person answers.
    Answers {
        /// Seconds of ringing before the answer.
        after: u32,
        /// The key that the person presses at the first Gather, if any.
        presses: Option<char>,
        /// Seconds from the start of that Gather, including its prompts, until the key is pressed. The key press
        /// interrupts the prompts. Default: 1.
        #[serde(default = "press_after")]
        press_after: u32,
        /// Seconds until this person ends a conversation, unless the caller ends it first. Default: 3600.
        #[serde(default = "one_hour")]
        talks: u32,
    },
    /// The line is busy.
    Busy,
    /// The phone rings until the caller hangs up or the timeout of the call ends.
    #[default]
    NoAnswer,
    /// The phone rings for three seconds, and then the call is rejected.
    Declines,
    /// A machine answers, hears the whole document, and presses no key.
    Voicemail {
        /// Seconds of ringing before the answer.
        after: u32,
    },
    /// A person answers and hangs up while the document is still running.
    HangsUp {
        /// Seconds of ringing before the answer.
        after: u32,
        /// Seconds from the answer until the person hangs up.
        into: u32,
    },
    /// The call fails, as with a number that does not exist.
    Failed,
}

fn press_after() -> u32 {
    PRESS_AFTER
}

fn one_hour() -> u32 {
    3_600
}

impl PhoneScript {
    /// A person answers after this many seconds, presses a key one second later, and talks until the caller hangs up.
    pub fn accepts(after: u32, key: char) -> Self {
        Self::Answers { after, presses: Some(key), press_after: PRESS_AFTER, talks: one_hour() }
    }

    /// The outcome of a call that rings for at most `timeout` seconds.
    pub(super) fn ring(self, timeout: u32) -> RingOutcome {
        let listener = Person::listener();
        let (after, outcome) = match self {
            Self::Answers { after, presses, press_after, talks } => {
                let steps = presses.map(|key| CallerStep::Dial(key.to_string())).into_iter().collect();
                (after, Ok(Person { steps, press_after, talk: talks, hangs_up_after: None }))
            }
            Self::Voicemail { after } => (after, Ok(listener)),
            Self::HangsUp { after, into } => (after, Ok(Person { hangs_up_after: Some(into), ..listener })),
            Self::Busy => (1, Err("busy")),
            Self::Declines => (DECLINE_AFTER, Err("busy")),
            Self::NoAnswer => (timeout, Err("no-answer")),
            Self::Failed => (0, Err("failed")),
        };
        let rings = !matches!(self, Self::Busy | Self::Failed);
        let outcome = outcome.and_then(|person| if after < timeout { Ok(person) } else { Err("no-answer") });
        RingOutcome { rings, after: after.min(timeout), outcome }
    }
}

/// The outcome of calling a phone.
pub(super) struct RingOutcome {
    pub(super) rings: bool,
    /// Seconds until the answer or the end.
    pub(super) after: u32,
    /// The person who answers, or the final status of the call.
    pub(super) outcome: Result<Person, &'static str>,
}

/// A person on the line, with the remaining steps of the script.
#[derive(Debug, Clone)]
pub(super) struct Person {
    steps: VecDeque<CallerStep>,
    pub(super) press_after: u32,
    pub(super) talk: u32,
    /// Seconds after the answer at which the person hangs up in any case.
    pub(super) hangs_up_after: Option<u32>,
}

/// The action of a person at a Gather.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GatherAction {
    Presses(String),
    Waits,
    HangsUp,
}

/// The action of a person at a Record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RecordAction {
    Speaks { seconds: u32, then: AfterSpeaking },
    HangsUp,
}

/// The action of a person after speaking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AfterSpeaking {
    FallsSilent,
    Presses(char),
    HangsUp,
}

impl Person {
    /// A person who only listens.
    pub(super) fn listener() -> Self {
        Self { steps: VecDeque::new(), press_after: PRESS_AFTER, talk: one_hour(), hangs_up_after: None }
    }

    pub(super) fn caller(script: &CallScript) -> Self {
        Self { steps: script.steps.clone().into(), press_after: PRESS_AFTER, talk: script.talk, hangs_up_after: None }
    }

    pub(super) fn at_gather(&mut self) -> GatherAction {
        match self.steps.front() {
            Some(CallerStep::Dial(keys)) => {
                let keys = keys.clone();
                self.steps.pop_front();
                GatherAction::Presses(keys)
            }
            Some(CallerStep::Wait) => {
                self.steps.pop_front();
                GatherAction::Waits
            }
            Some(CallerStep::HangUp) => GatherAction::HangsUp,
            Some(CallerStep::Speak(_) | CallerStep::HangUpAfter(_)) | None => GatherAction::Waits,
        }
    }

    /// `finish_on` are the keys that end the recording.
    pub(super) fn at_record(&mut self, finish_on: &str) -> RecordAction {
        let seconds = match self.steps.front() {
            Some(CallerStep::HangUp) => return RecordAction::HangsUp,
            Some(CallerStep::Speak(seconds)) => {
                let seconds = *seconds;
                self.steps.pop_front();
                seconds
            }
            _ => return RecordAction::Speaks { seconds: SPEAK, then: AfterSpeaking::FallsSilent },
        };
        let mut key = None;
        if let Some(CallerStep::Dial(keys)) = self.steps.front() {
            let mut keys = keys.chars();
            key = keys.next().filter(|key| keys.next().is_none() && finish_on.contains(*key));
        }
        let then = match (self.steps.front(), key) {
            (Some(CallerStep::HangUp), _) => AfterSpeaking::HangsUp,
            (_, Some(key)) => {
                self.steps.pop_front();
                AfterSpeaking::Presses(key)
            }
            _ => AfterSpeaking::FallsSilent,
        };
        RecordAction::Speaks { seconds, then }
    }

    /// Seconds from the start of a Dial until the person hangs up; `None` to stay on the line.
    pub(super) fn at_dial(&mut self) -> Option<u32> {
        match self.steps.front() {
            Some(CallerStep::HangUp) => Some(0),
            Some(CallerStep::HangUpAfter(seconds)) => {
                let seconds = *seconds;
                self.steps.pop_front();
                Some(seconds)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_from_json() {
        let script: CallScript = serde_json::from_str(
            r##"{"from": "+1", "to": "+2", "steps": [{"dial": "101#"}, "wait", {"speak": 0}, {"hangUpAfter": 3}]}"##,
        )
        .unwrap();
        let steps =
            [CallerStep::Dial("101#".to_owned()), CallerStep::Wait, CallerStep::Speak(0), CallerStep::HangUpAfter(3)];
        assert_eq!((script.steps.as_slice(), script.talk), (steps.as_slice(), 3));
        let read = |json: &str| serde_json::from_str::<PhoneScript>(json);
        assert_eq!(read(r#"{"answers": {"after": 2, "presses": "1"}}"#).unwrap(), PhoneScript::accepts(2, '1'));
        assert_eq!(read(r#""noAnswer""#).unwrap(), PhoneScript::NoAnswer);
        assert!(read(r#"{"answers": {}}"#).is_err());
    }

    #[test]
    fn each_step_waits_for_its_verb() {
        let script = CallScript::new("+1", "+2").then(CallerStep::Dial("1".to_owned())).then(CallerStep::Speak(4));
        let mut person = Person::caller(&script.then(CallerStep::HangUp));
        assert_eq!(person.at_dial(), None);
        assert_eq!(person.at_gather(), GatherAction::Presses("1".to_owned()));
        assert_eq!(person.at_gather(), GatherAction::Waits);
        assert_eq!(person.at_record("#"), RecordAction::Speaks { seconds: 4, then: AfterSpeaking::HangsUp });
        assert_eq!((person.at_gather(), person.at_dial()), (GatherAction::HangsUp, Some(0)));
    }

    #[test]
    fn a_key_after_speaking_ends_the_recording_if_it_is_a_finish_key() {
        let script = CallScript::new("+1", "+2").then(CallerStep::Speak(4)).then(CallerStep::Dial("#".to_owned()));
        let mut person = Person::caller(&script);
        assert_eq!(
            person.clone().at_record("#"),
            RecordAction::Speaks { seconds: 4, then: AfterSpeaking::Presses('#') }
        );
        assert_eq!(person.at_record("*"), RecordAction::Speaks { seconds: 4, then: AfterSpeaking::FallsSilent });
        assert_eq!(person.at_gather(), GatherAction::Presses("#".to_owned()));
    }
}
