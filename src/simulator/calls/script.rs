//! What people do: whoever calls, and whoever is called.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::settings::Legs;

/// Until somebody presses the first key of those they know by heart.
const PRESS_AFTER: u32 = 1;
const DECLINE_AFTER: u32 = 3;
const TALK: u32 = 3;
const SPEAK: u32 = 5;

/// A call to a number, and what its caller does. In JSON:
/// `{"from": "+13035560001", "to": "+13035550100", "steps": [{"dial": "101#"}, "hangUp"]}`.
///
/// Once the steps are done, the caller presses nothing, speaks five seconds at a beep, and ends a
/// conversation after `talk` seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallScript {
    /// The phone; whatever a caller's number may be, such as `anonymous`.
    pub from: String,
    /// The number.
    pub to: String,
    /// In order; each is done at the first verb that it is for.
    #[serde(default)]
    pub steps: Vec<CallerStep>,
    /// Seconds until the caller ends a conversation, unless the other side is quicker.
    #[serde(default = "talk")]
    pub talk: u32,
    /// Whether its seconds last a hundredth of what they last otherwise.
    #[serde(default)]
    pub fast: bool,
    /// What becomes of a Dial's other phones, if not what the carrier is set to.
    #[serde(default)]
    pub legs: Option<Legs>,
}

fn talk() -> u32 {
    TALK
}

impl CallScript {
    /// A caller who only listens.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), steps: Vec::new(), talk: TALK, fast: false, legs: None }
    }

    /// And then does this.
    #[must_use]
    pub fn then(mut self, step: CallerStep) -> Self {
        self.steps.push(step);
        self
    }

    /// Ends a conversation after so many seconds.
    #[must_use]
    pub fn talks(self, seconds: u32) -> Self {
        Self { talk: seconds, ..self }
    }
}

/// One thing that a caller does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallerStep {
    /// Presses these keys at the next Gather. `#` ends it at once; without it, its timeout runs.
    /// A single key right after `Speak` ends the recording, if its `finishOnKey` has it.
    Dial(String),
    /// Presses nothing at the next Gather.
    Wait,
    /// Speaks so many seconds at the next Record, then falls silent; 0 says nothing at all.
    Speak(u32),
    /// Hangs up when the next Gather, Record or Dial begins; right after `Speak`, while it records.
    HangUp,
    /// Hangs up so many seconds into the next Dial, whatever has become of it by then.
    HangUpAfter(u32),
}

/// What a phone does when it is called. In JSON: `{"answers": {"after": 2, "presses": "1"}}`, `"busy"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PhoneScript {
    /// Somebody answers.
    Answers {
        /// Seconds that it rings.
        after: u32,
        /// The key that is pressed at the first Gather, if any.
        presses: Option<char>,
        /// Seconds into that Gather, its words included; they are cut short.
        #[serde(default = "press_after")]
        press_after: u32,
        /// Seconds until this side ends a conversation, unless the caller is quicker.
        #[serde(default = "long")]
        talks: u32,
    },
    /// It is engaged.
    Busy,
    /// It rings until the caller or the carrier gives up.
    #[default]
    NoAnswer,
    /// Somebody looks at it and rejects the call.
    Declines,
    /// A machine picks up, hears the whole document, and presses nothing.
    Voicemail {
        /// Seconds that it rings.
        after: u32,
    },
    /// Somebody answers and hangs up while the document is still being read to them.
    HangsUp {
        /// Seconds that it rings.
        after: u32,
        /// Seconds from the answer until they hang up.
        into: u32,
    },
    /// There is no such phone.
    Failed,
}

fn press_after() -> u32 {
    PRESS_AFTER
}

fn long() -> u32 {
    3_600
}

impl PhoneScript {
    /// Somebody answers after so many seconds, presses a key a second later, and talks until the caller hangs up.
    pub fn accepts(after: u32, key: char) -> Self {
        Self::Answers { after, presses: Some(key), press_after: PRESS_AFTER, talks: long() }
    }

    /// What comes of calling it, if the carrier lets it ring for so many seconds at most.
    pub(super) fn called(self, timeout: u32) -> Ring {
        let nobody = Person::nobody();
        let (after, ends) = match self {
            Self::Answers { after, presses, press_after, talks } => {
                let steps = presses.map(|key| CallerStep::Dial(key.to_string())).into_iter().collect();
                (after, Ok(Person { steps, press_after, talk: talks, leaves: None }))
            }
            Self::Voicemail { after } => (after, Ok(nobody)),
            Self::HangsUp { after, into } => (after, Ok(Person { leaves: Some(into), ..nobody })),
            Self::Busy => (1, Err("busy")),
            Self::Declines => (DECLINE_AFTER, Err("busy")),
            Self::NoAnswer => (timeout, Err("no-answer")),
            Self::Failed => (0, Err("failed")),
        };
        let rings = !matches!(self, Self::Busy | Self::Failed);
        let ends = ends.and_then(|person| if after < timeout { Ok(person) } else { Err("no-answer") });
        Ring { rings, after: after.min(timeout), ends }
    }
}

/// What comes of calling a phone.
pub(super) struct Ring {
    pub(super) rings: bool,
    /// Seconds.
    pub(super) after: u32,
    /// Who picks up, or the status that the call ends with.
    pub(super) ends: Result<Person, &'static str>,
}

/// Somebody on a line, with what is left for them to do.
#[derive(Debug, Clone)]
pub(super) struct Person {
    steps: VecDeque<CallerStep>,
    pub(super) press_after: u32,
    pub(super) talk: u32,
    /// Seconds after the answer at which they hang up, whatever happens.
    pub(super) leaves: Option<u32>,
}

/// What somebody does at a Gather.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AtGather {
    Presses(String),
    Waits,
    HangsUp,
}

/// What somebody does at a Record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AtRecord {
    Speaks { seconds: u32, then: ThenAt },
    HangsUp,
}

/// How somebody ends what they have said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ThenAt {
    FallsSilent,
    Presses(char),
    HangsUp,
}

impl Person {
    /// Somebody who only listens.
    pub(super) fn nobody() -> Self {
        Self { steps: VecDeque::new(), press_after: PRESS_AFTER, talk: long(), leaves: None }
    }

    pub(super) fn of(script: &CallScript) -> Self {
        Self { steps: script.steps.clone().into(), press_after: PRESS_AFTER, talk: script.talk, leaves: None }
    }

    pub(super) fn at_gather(&mut self) -> AtGather {
        match self.steps.front() {
            Some(CallerStep::Dial(keys)) => {
                let keys = keys.clone();
                self.steps.pop_front();
                AtGather::Presses(keys)
            }
            Some(CallerStep::Wait) => {
                self.steps.pop_front();
                AtGather::Waits
            }
            Some(CallerStep::HangUp) => AtGather::HangsUp,
            Some(CallerStep::Speak(_) | CallerStep::HangUpAfter(_)) | None => AtGather::Waits,
        }
    }

    /// At a Record that these keys end.
    pub(super) fn at_record(&mut self, finish_on: &str) -> AtRecord {
        let seconds = match self.steps.front() {
            Some(CallerStep::HangUp) => return AtRecord::HangsUp,
            Some(CallerStep::Speak(seconds)) => {
                let seconds = *seconds;
                self.steps.pop_front();
                seconds
            }
            _ => return AtRecord::Speaks { seconds: SPEAK, then: ThenAt::FallsSilent },
        };
        let mut key = None;
        if let Some(CallerStep::Dial(keys)) = self.steps.front() {
            let mut keys = keys.chars();
            key = keys.next().filter(|key| keys.next().is_none() && finish_on.contains(*key));
        }
        let then = match (self.steps.front(), key) {
            (Some(CallerStep::HangUp), _) => ThenAt::HangsUp,
            (_, Some(key)) => {
                self.steps.pop_front();
                ThenAt::Presses(key)
            }
            _ => ThenAt::FallsSilent,
        };
        AtRecord::Speaks { seconds, then }
    }

    /// Seconds into a Dial that begins now at which they hang up, if they do.
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
    fn a_script_is_json() {
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
        let mut person = Person::of(&script.then(CallerStep::HangUp));
        assert_eq!(person.at_dial(), None);
        assert_eq!(person.at_gather(), AtGather::Presses("1".to_owned()));
        assert_eq!(person.at_gather(), AtGather::Waits);
        assert_eq!(person.at_record("#"), AtRecord::Speaks { seconds: 4, then: ThenAt::HangsUp });
        assert_eq!((person.at_gather(), person.at_dial()), (AtGather::HangsUp, Some(0)));
    }

    #[test]
    fn a_key_after_speaking_ends_the_recording_if_it_may() {
        let script = CallScript::new("+1", "+2").then(CallerStep::Speak(4)).then(CallerStep::Dial("#".to_owned()));
        let mut person = Person::of(&script);
        assert_eq!(person.clone().at_record("#"), AtRecord::Speaks { seconds: 4, then: ThenAt::Presses('#') });
        assert_eq!(person.at_record("*"), AtRecord::Speaks { seconds: 4, then: ThenAt::FallsSilent });
        assert_eq!(person.at_gather(), AtGather::Presses("#".to_owned()));
    }
}
