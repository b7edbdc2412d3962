//! Executes the verbs of a document up to the next point that needs an action of the simulator: a request, a Dial, or
//! the end. This is pure computation without waiting; the call waits for the computed duration afterwards.

use std::collections::VecDeque;

use super::super::webhook::Form;
use super::script::{AfterSpeaking, GatherAction, Person, RecordAction};
use super::twiml::{Dial, Endpoint, Gather, Record, Verb};

/// The speed of speech.
const CHARS_PER_SECOND: usize = 15;
/// The assumed duration of any played file, in seconds.
const PLAY_SECONDS: u32 = 3;

/// The action at the end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Fetch a document, which replaces the rest of the current one.
    Fetch(Endpoint, Form),
    /// Call phones. The document may continue afterwards.
    Dial(Dial),
    /// Process a recording. The document may continue afterwards.
    Recorded(Box<Record>, RecordedAudio),
    /// The person has hung up.
    PersonHungUp,
    /// The document hangs up.
    Hangup,
    /// The call is rejected and ends with this status.
    Rejected(&'static str),
    /// The document has ended.
    End,
}

/// The result of a Record. 0 seconds mean an absent recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordedAudio {
    pub(super) seconds: u32,
    /// The value of `Digits`: the key that ended the recording, `hangup`, or empty.
    pub(super) digits: String,
}

/// A part of a document without any action of the simulator, followed by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// The duration in seconds.
    pub(super) duration: u32,
    /// The transcript: seconds since the start of the segment, and the event.
    pub(super) lines: VecDeque<(u32, String)>,
    /// Seconds until the segment answers the call; `None` if it does not.
    pub(super) answers_after: Option<u32>,
    pub(super) action: Action,
}

struct Interpreter<'a> {
    person: &'a mut Person,
    elapsed: u32,
    lines: VecDeque<(u32, String)>,
    /// Seconds from the start of the segment until the person hangs up.
    hangs_up_after: Option<u32>,
}

/// Executes verbs up to the next action. `on_line` is the number of seconds since the answer; `None` if the call has
/// not been answered.
pub(super) fn interpret(verbs: &mut VecDeque<Verb>, person: &mut Person, on_line: Option<u32>) -> Segment {
    let hangs_up_after = person.hangs_up_after.map(|after| after.saturating_sub(on_line.unwrap_or(0)));
    let mut interpreter = Interpreter { person, elapsed: 0, lines: VecDeque::new(), hangs_up_after };
    let mut answers_after = None;
    let action = loop {
        let Some(verb) = verbs.pop_front() else { break Action::End };
        let keeps_ringing = match &verb {
            Verb::Pause { .. } | Verb::Reject { .. } | Verb::Redirect(_) => true,
            Verb::Dial(dial) => dial.answer_on_bridge,
            _ => false,
        };
        if on_line.is_none() && answers_after.is_none() && !keeps_ringing {
            answers_after = Some(interpreter.elapsed);
        }
        let is_answered = on_line.is_some() || answers_after.is_some();
        if let Some(action) = interpreter.execute(verb, is_answered) {
            break action;
        }
    };
    // A document that ends or hangs up answers the call if none of its verbs did.
    if on_line.is_none() && matches!(action, Action::End | Action::Hangup) {
        answers_after = answers_after.or(Some(interpreter.elapsed));
    }
    Segment { duration: interpreter.elapsed, lines: interpreter.lines, answers_after, action }
}

impl Interpreter<'_> {
    /// Executes one verb; `None` if the next one follows.
    fn execute(&mut self, verb: Verb, is_answered: bool) -> Option<Action> {
        match verb {
            Verb::Say { .. } | Verb::Play { .. } | Verb::Pause { .. } => {
                let seconds = self.prompt(&verb, None);
                self.advance(seconds)
            }
            Verb::Gather(gather) => self.gather(&gather),
            Verb::Record(record) => self.record(record),
            Verb::Dial(dial) => Some(Action::Dial(dial)),
            Verb::Redirect(endpoint) => Some(Action::Fetch(endpoint, Form::new())),
            Verb::Hangup => Some(Action::Hangup),
            Verb::Reject { .. } if is_answered => Some(Action::Hangup),
            Verb::Reject { status } => Some(Action::Rejected(status)),
        }
    }

    fn add_line(&mut self, at: u32, what: String) {
        if self.hangs_up_after.is_none_or(|end| at < end) {
            self.lines.push_back((at, what));
        }
    }

    /// Advances the time. The person may hang up before its end.
    fn advance(&mut self, seconds: u32) -> Option<Action> {
        let until = self.elapsed.saturating_add(seconds);
        match self.hangs_up_after {
            Some(end) if end <= until => {
                self.elapsed = end;
                Some(Action::PersonHungUp)
            }
            _ => {
                self.elapsed = until;
                None
            }
        }
    }

    /// Adds the lines of a prompt that starts now, except those from `until` on, and returns its whole duration.
    fn prompt(&mut self, verb: &Verb, until: Option<u32>) -> u32 {
        let (what, each, times) = match verb {
            Verb::Say { text, times } => (format!("hears: \"{text}\""), seconds_to_say(text), *times),
            Verb::Play { media, times } => (format!("hears: [{media}]"), PLAY_SECONDS, *times),
            Verb::Pause { seconds } => return *seconds,
            _ => return 0,
        };
        for turn in 0..times {
            let at = self.elapsed + turn * each;
            if until.is_none_or(|until| at < until) {
                self.add_line(at, what.clone());
            }
        }
        times * each
    }

    /// Adds the lines of consecutive prompts without advancing the time.
    fn prompts(&mut self, prompts: &[Verb], until: Option<u32>) {
        let start = self.elapsed;
        for prompt in prompts {
            self.elapsed += self.prompt(prompt, until);
        }
        self.elapsed = start;
    }

    /// Source: Twilio, "TwiML: Gather".
    fn gather(&mut self, gather: &Gather) -> Option<Action> {
        let prompt_seconds: u32 = gather.prompts.iter().map(duration).sum();
        let keys = match self.person.at_gather() {
            GatherAction::HangsUp => return Some(Action::PersonHungUp),
            GatherAction::Presses(keys) if gather.dtmf => Some(keys),
            GatherAction::Presses(_) | GatherAction::Waits => None,
        };
        let press_after = self.person.press_after;
        let pressed_after = if gather.barge_in { press_after } else { prompt_seconds.max(press_after) };
        // Keys that are pressed after the timeout have no effect.
        let keys = keys.filter(|_| pressed_after <= prompt_seconds + gather.timeout);
        let mut gathered = GatheredKeys::default();
        match keys {
            Some(keys) => {
                let pressed_at = self.elapsed + pressed_after;
                self.prompts(&gather.prompts, Some(pressed_at));
                if let Some(action) = self.advance(pressed_after) {
                    return Some(action);
                }
                self.add_line(self.elapsed, format!("presses {keys}"));
                gathered = GatheredKeys::new(&keys, gather);
                if !gathered.is_complete
                    && let Some(action) = self.advance(gather.timeout)
                {
                    return Some(action);
                }
            }
            None => {
                self.prompts(&gather.prompts, None);
                if let Some(action) = self.advance(prompt_seconds + gather.timeout) {
                    return Some(action);
                }
            }
        }
        if gathered.digits.is_empty() && !gather.on_empty {
            return None;
        }
        let form = vec![("Digits", gathered.digits), ("FinishedOnKey", gathered.finished_on)];
        Some(Action::Fetch(gather.action.clone(), form))
    }

    /// Source: Twilio, "TwiML: Record".
    fn record(&mut self, record: Record) -> Option<Action> {
        let (seconds, then) = match self.person.at_record(&record.finish_on) {
            RecordAction::HangsUp => return Some(Action::PersonHungUp),
            RecordAction::Speaks { seconds, then } => (seconds, then),
        };
        if record.beep {
            self.add_line(self.elapsed, "hears: [beep]".to_owned());
        }
        if seconds == 0 {
            // The recording is absent: too short if the caller hangs up, otherwise silent.
            let (digits, lasts) = if then == AfterSpeaking::HangsUp { ("hangup", 0) } else { ("", record.timeout) };
            let audio = RecordedAudio { seconds, digits: digits.to_owned() };
            return self.advance(lasts).or_else(|| Some(Action::Recorded(Box::new(record), audio)));
        }
        self.add_line(self.elapsed, format!("speaks for {} s", seconds.min(record.max_length)));
        let (lasts, digits) = match then {
            _ if seconds >= record.max_length => (record.max_length, String::new()),
            AfterSpeaking::FallsSilent => (seconds + record.timeout, String::new()),
            AfterSpeaking::Presses(key) => (seconds, key.to_string()),
            AfterSpeaking::HangsUp => (seconds, "hangup".to_owned()),
        };
        let seconds = seconds.min(record.max_length);
        if let Some(action) = self.advance(lasts) {
            return Some(action);
        }
        Some(Action::Recorded(Box::new(record), RecordedAudio { seconds, digits }))
    }
}

/// The keys that a Gather accepted.
#[derive(Default)]
struct GatheredKeys {
    digits: String,
    finished_on: String,
    /// True if the Gather ended before its timeout.
    is_complete: bool,
}

impl GatheredKeys {
    fn new(keys: &str, gather: &Gather) -> Self {
        let mut gathered = Self::default();
        for key in keys.chars() {
            if gather.finish_on.contains(key) {
                gathered.finished_on = key.to_string();
                gathered.is_complete = true;
                break;
            }
            gathered.digits.push(key);
            if gather.num_digits == Some(gathered.digits.len()) {
                gathered.is_complete = true;
                break;
            }
        }
        gathered
    }
}

fn seconds_to_say(text: &str) -> u32 {
    let seconds = text.chars().count().div_ceil(CHARS_PER_SECOND).max(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The duration of a prompt in seconds.
fn duration(verb: &Verb) -> u32 {
    match verb {
        Verb::Say { text, times } => seconds_to_say(text) * times,
        Verb::Play { times, .. } => PLAY_SECONDS * times,
        Verb::Pause { seconds } => *seconds,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::{CallScript, CallerStep};
    use super::super::twiml::read;
    use super::*;
    use crate::webhook::WebhookResponse;

    fn verbs(body: &str) -> VecDeque<Verb> {
        let body = format!("<Response>{body}</Response>").into_bytes();
        let content_type = "text/xml".to_owned();
        let response = WebhookResponse { status: axum::http::StatusCode::OK, content_type, body };
        read(Ok(&response)).unwrap()
    }

    fn caller(steps: &[CallerStep]) -> Person {
        Person::caller(&CallScript { steps: steps.to_vec(), ..CallScript::new("+1", "+2") })
    }

    fn dials(keys: &str) -> CallerStep {
        CallerStep::Dial(keys.to_owned())
    }

    /// The duration of a segment, and the `Digits` of the request at its end, if any.
    fn gathered(body: &str, steps: &[CallerStep]) -> (u32, Option<String>) {
        let segment = interpret(&mut verbs(body), &mut caller(steps), Some(0));
        let digits = match segment.action {
            Action::Fetch(_, form) => form.into_iter().find(|(name, _)| *name == "Digits").map(|(_, value)| value),
            _ => None,
        };
        (segment.duration, digits)
    }

    #[test]
    fn a_gather_ends_by_key_by_number_of_digits_or_by_timeout() {
        for (body, steps, expected) in [
            ("<Gather/>", vec![dials("101#")], (1, Some("101"))),
            ("<Gather/>", vec![dials("101")], (6, Some("101"))),
            ("<Gather numDigits=\"2\"/>", vec![dials("101")], (1, Some("10"))),
            ("<Gather finishOnKey=\"\"/>", vec![dials("1#")], (6, Some("1#"))),
            ("<Gather finishOnKey=\"*\" timeout=\"2\"/>", vec![dials("1*2")], (1, Some("1"))),
            ("<Gather/>", vec![dials("#")], (1, None)),
            ("<Gather/>", vec![], (5, None)),
            ("<Gather actionOnEmptyResult=\"true\"/>", vec![CallerStep::Wait], (5, Some(""))),
            ("<Gather input=\"speech\"/>", vec![dials("1#")], (5, None)),
            ("<Gather bargeIn=\"false\"><Pause length=\"9\"/></Gather>", vec![dials("1#")], (9, Some("1"))),
            ("<Gather><Pause length=\"9\"/></Gather>", vec![dials("1#")], (1, Some("1"))),
            ("<Gather timeout=\"1\"/><Gather/>", vec![CallerStep::Wait, dials("2#")], (2, Some("2"))),
        ] {
            let (duration, digits) = expected;
            assert_eq!(gathered(body, &steps), (duration, digits.map(str::to_owned)), "{body}");
        }
    }

    #[test]
    fn prompts_after_a_key_press_are_not_heard() {
        let body = "<Gather><Say>one</Say><Say>two</Say><Say>three</Say></Gather>";
        let mut person = caller(&[dials("1#")]);
        person.press_after = 2;
        let lines: Vec<_> = interpret(&mut verbs(body), &mut person, Some(0)).lines.into();
        let expected = [(0, "hears: \"one\""), (1, "hears: \"two\""), (2, "presses 1#")];
        assert_eq!(lines, expected.map(|(at, what)| (at, what.to_owned())));
    }

    #[test]
    fn a_person_hears_nothing_after_hanging_up() {
        let mut person = caller(&[]);
        person.hangs_up_after = Some(5);
        let body = "<Say>one</Say><Pause length=\"9\"/><Say>two</Say>";
        let segment = interpret(&mut verbs(body), &mut person, Some(2));
        assert_eq!((segment.duration, segment.lines.len(), segment.action), (3, 1, Action::PersonHungUp));
    }

    #[test]
    fn a_recording_ends_by_silence_by_key_by_length_or_by_hanging_up() {
        let speaks = CallerStep::Speak;
        for (body, steps, expected) in [
            ("<Record/>", vec![], Some((10, 5, ""))),
            ("<Record timeout=\"2\"/>", vec![speaks(4)], Some((6, 4, ""))),
            ("<Record/>", vec![speaks(4), dials("#")], Some((4, 4, "#"))),
            ("<Record/>", vec![speaks(4), CallerStep::HangUp], Some((4, 4, "hangup"))),
            ("<Record maxLength=\"3\"/>", vec![speaks(4), CallerStep::HangUp], Some((3, 3, ""))),
            ("<Record/>", vec![speaks(0)], Some((5, 0, ""))),
            ("<Record/>", vec![speaks(0), CallerStep::HangUp], Some((0, 0, "hangup"))),
            ("<Record/>", vec![CallerStep::HangUp], None),
        ] {
            let segment = interpret(&mut verbs(body), &mut caller(&steps), Some(0));
            let recorded = match &segment.action {
                Action::Recorded(_, audio) => Some((segment.duration, audio.seconds, audio.digits.as_str())),
                _ => None,
            };
            assert_eq!(recorded, expected, "{body} {steps:?}");
        }
    }

    #[test]
    fn the_first_verb_that_needs_an_answered_call_answers_it() {
        for (body, answers_after) in [
            ("<Pause length=\"2\"/><Say>x</Say>", Some(2)),
            ("<Redirect>/a</Redirect>", None),
            ("<Reject/>", None),
            ("<Dial answerOnBridge=\"true\">+13035550100</Dial>", None),
            ("<Dial>+13035550100</Dial>", Some(0)),
            ("<Hangup/>", Some(0)),
        ] {
            let segment = interpret(&mut verbs(body), &mut caller(&[]), None);
            assert_eq!(segment.answers_after, answers_after, "{body}");
        }
        let segment = interpret(&mut verbs("<Say>x</Say><Reject/>"), &mut caller(&[]), None);
        assert_eq!(segment.action, Action::Hangup);
    }
}
