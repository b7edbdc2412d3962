//! What somebody hears and does from one point of a document to the next at which the carrier must act.
//! It takes no time and asks nobody: a call waits afterwards for as long as it says.

use std::collections::VecDeque;

use super::super::webhook::Form;
use super::script::{AtGather, AtRecord, Person, ThenAt};
use super::twiml::{Dial, Gather, Record, Request, Verb};

/// So much is said in a second.
const CHARS_PER_SECOND: usize = 15;
/// So long is whatever is played.
const PLAYED: u32 = 3;

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// The document that this asks for comes instead of the rest.
    Ask(Request, Form),
    /// Phones are called; the document may go on.
    Dial(Dial),
    /// Something was recorded; the document may go on.
    Recorded(Box<Record>, Taken),
    /// The person has hung up.
    Left,
    /// The document hangs up.
    Hangup,
    /// The call is not taken, and ends with this status.
    Rejected(&'static str),
    /// There is no more of the document.
    End,
}

/// What was recorded; 0 seconds are an absent recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) seconds: u32,
    /// What ended it, as `Digits` says it: a key, `hangup`, or nothing.
    pub(super) digits: String,
}

/// Some seconds of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) takes: u32,
    /// What happens, and how many seconds from the beginning.
    pub(super) lines: VecDeque<(u32, String)>,
    /// When the call is answered, if it was not and is.
    pub(super) answers: Option<u32>,
    pub(super) next: Next,
}

struct Walker<'a> {
    person: &'a mut Person,
    takes: u32,
    lines: VecDeque<(u32, String)>,
    /// When the person hangs up, from the beginning.
    leaves: Option<u32>,
}

/// Goes through verbs until there is something to do. `on_line` is how many seconds ago the call was
/// answered, `None` if it has not been.
pub(super) fn walk(verbs: &mut VecDeque<Verb>, person: &mut Person, on_line: Option<u32>) -> Stretch {
    let leaves = person.leaves.map(|leaves| leaves.saturating_sub(on_line.unwrap_or(0)));
    let mut walker = Walker { person, takes: 0, lines: VecDeque::new(), leaves };
    let mut answers = None;
    let next = loop {
        let Some(verb) = verbs.pop_front() else { break Next::End };
        let leaves_it_ringing = match &verb {
            Verb::Pause { .. } | Verb::Reject { .. } | Verb::Redirect(_) => true,
            Verb::Dial(dial) => dial.answer_on_bridge,
            _ => false,
        };
        if on_line.is_none() && answers.is_none() && !leaves_it_ringing {
            answers = Some(walker.takes);
        }
        let is_answered = on_line.is_some() || answers.is_some();
        if let Some(next) = walker.step(verb, is_answered) {
            break next;
        }
    };
    // A document that ends, or hangs up, has taken the call.
    if on_line.is_none() && matches!(next, Next::End | Next::Hangup) {
        answers = answers.or(Some(walker.takes));
    }
    Stretch { takes: walker.takes, lines: walker.lines, answers, next }
}

impl Walker<'_> {
    /// `Some` when there is something to do.
    fn step(&mut self, verb: Verb, is_answered: bool) -> Option<Next> {
        match verb {
            Verb::Say { .. } | Verb::Play { .. } | Verb::Pause { .. } => {
                let lasts = self.prompt(&verb, None);
                self.pass(lasts)
            }
            Verb::Gather(gather) => self.gather(&gather),
            Verb::Record(record) => self.record(record),
            Verb::Dial(dial) => Some(Next::Dial(dial)),
            Verb::Redirect(request) => Some(Next::Ask(request, Form::new())),
            Verb::Hangup => Some(Next::Hangup),
            Verb::Reject { .. } if is_answered => Some(Next::Hangup),
            Verb::Reject { status } => Some(Next::Rejected(status)),
        }
    }

    fn line(&mut self, at: u32, what: String) {
        if self.leaves.is_none_or(|leaves| at < leaves) {
            self.lines.push_back((at, what));
        }
    }

    /// Lets time pass; the person may be gone by then.
    fn pass(&mut self, seconds: u32) -> Option<Next> {
        let then = self.takes.saturating_add(seconds);
        match self.leaves {
            Some(leaves) if leaves <= then => {
                self.takes = leaves;
                Some(Next::Left)
            }
            _ => {
                self.takes = then;
                None
            }
        }
    }

    /// What is said from now on, until that moment if there is one. Gives how long it takes.
    fn prompt(&mut self, verb: &Verb, until: Option<u32>) -> u32 {
        let (what, each, times) = match verb {
            Verb::Say { words, times } => (format!("hears: \"{words}\""), seconds_to_say(words), *times),
            Verb::Play { what, times } => (format!("hears: [{what}]"), PLAYED, *times),
            Verb::Pause { seconds } => return *seconds,
            _ => return 0,
        };
        for turn in 0..times {
            let at = self.takes + turn * each;
            if until.is_none_or(|until| at < until) {
                self.line(at, what.clone());
            }
        }
        times * each
    }

    /// The same of one after another.
    fn prompts(&mut self, prompts: &[Verb], until: Option<u32>) {
        let begun = self.takes;
        for prompt in prompts {
            self.takes += self.prompt(prompt, until);
        }
        self.takes = begun;
    }

    /// Source: Twilio, "TwiML: Gather".
    fn gather(&mut self, gather: &Gather) -> Option<Next> {
        let said: u32 = gather.prompts.iter().map(lasts).sum();
        let keys = match self.person.at_gather() {
            AtGather::HangsUp => return Some(Next::Left),
            AtGather::Presses(keys) if gather.keys => Some(keys),
            AtGather::Presses(_) | AtGather::Waits => None,
        };
        let pressed_after = if gather.barge_in { self.person.press_after } else { said.max(self.person.press_after) };
        // Who presses later than that presses in vain.
        let keys = keys.filter(|_| pressed_after <= said + gather.timeout);
        let mut gathered = Gathered::default();
        match keys {
            Some(keys) => {
                let pressed_at = self.takes + pressed_after;
                self.prompts(&gather.prompts, Some(pressed_at));
                if let Some(gone) = self.pass(pressed_after) {
                    return Some(gone);
                }
                self.line(self.takes, format!("presses {keys}"));
                gathered = Gathered::of(&keys, gather);
                if !gathered.is_over
                    && let Some(gone) = self.pass(gather.timeout)
                {
                    return Some(gone);
                }
            }
            None => {
                self.prompts(&gather.prompts, None);
                if let Some(gone) = self.pass(said + gather.timeout) {
                    return Some(gone);
                }
            }
        }
        if gathered.digits.is_empty() && !gather.on_empty {
            return None;
        }
        let form = vec![("Digits", gathered.digits), ("FinishedOnKey", gathered.finished_on)];
        Some(Next::Ask(gather.action.clone(), form))
    }

    /// Source: Twilio, "TwiML: Record".
    fn record(&mut self, record: Record) -> Option<Next> {
        let (seconds, then) = match self.person.at_record(&record.finish_on) {
            AtRecord::HangsUp => return Some(Next::Left),
            AtRecord::Speaks { seconds, then } => (seconds, then),
        };
        if record.beep {
            self.line(self.takes, "hears: [beep]".to_owned());
        }
        if seconds == 0 {
            // The recording is absent: too short if the caller hangs up, otherwise silent.
            let digits = if then == ThenAt::HangsUp { "hangup" } else { "" };
            let takes = if then == ThenAt::HangsUp { 0 } else { record.timeout };
            let gone = self.pass(takes);
            return gone
                .or_else(|| Some(Next::Recorded(Box::new(record), Taken { seconds, digits: digits.to_owned() })));
        }
        self.line(self.takes, format!("speaks for {} s", seconds.min(record.max_length)));
        let (takes, digits) = match then {
            _ if seconds >= record.max_length => (record.max_length, String::new()),
            ThenAt::FallsSilent => (seconds + record.timeout, String::new()),
            ThenAt::Presses(key) => (seconds, key.to_string()),
            ThenAt::HangsUp => (seconds, "hangup".to_owned()),
        };
        let seconds = seconds.min(record.max_length);
        if let Some(gone) = self.pass(takes) {
            return Some(gone);
        }
        Some(Next::Recorded(Box::new(record), Taken { seconds, digits }))
    }
}

#[derive(Default)]
struct Gathered {
    digits: String,
    finished_on: String,
    is_over: bool,
}

impl Gathered {
    fn of(keys: &str, gather: &Gather) -> Self {
        let mut gathered = Self::default();
        for key in keys.chars() {
            if gather.finish_on.contains(key) {
                gathered.finished_on = key.to_string();
                gathered.is_over = true;
                break;
            }
            gathered.digits.push(key);
            if gather.num_digits == Some(gathered.digits.len()) {
                gathered.is_over = true;
                break;
            }
        }
        gathered
    }
}

fn seconds_to_say(words: &str) -> u32 {
    let seconds = words.chars().count().div_ceil(CHARS_PER_SECOND).max(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn lasts(verb: &Verb) -> u32 {
    match verb {
        Verb::Say { words, times } => seconds_to_say(words) * times,
        Verb::Play { times, .. } => PLAYED * times,
        Verb::Pause { seconds } => *seconds,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::{CallScript, CallerStep};
    use super::super::twiml::read;
    use super::*;
    use crate::simulator::webhook::Answer;

    fn verbs(body: &str) -> VecDeque<Verb> {
        let body = format!("<Response>{body}</Response>").into_bytes();
        let answer = Answer { status: axum::http::StatusCode::OK, content_type: "text/xml".to_owned(), body };
        read(Ok(&answer)).unwrap()
    }

    fn caller(steps: &[CallerStep]) -> Person {
        Person::of(&CallScript { steps: steps.to_vec(), ..CallScript::new("+1", "+2") })
    }

    fn dials(keys: &str) -> CallerStep {
        CallerStep::Dial(keys.to_owned())
    }

    /// The digits that are asked with, if they are, and the seconds until then.
    fn gathered(body: &str, steps: &[CallerStep]) -> (u32, Option<String>) {
        let stretch = walk(&mut verbs(body), &mut caller(steps), Some(0));
        let digits = match stretch.next {
            Next::Ask(_, form) => form.into_iter().find(|(name, _)| *name == "Digits").map(|(_, value)| value),
            _ => None,
        };
        (stretch.takes, digits)
    }

    #[test]
    fn a_gather_ends_by_key_by_length_or_by_time() {
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
            let (takes, digits) = expected;
            assert_eq!(gathered(body, &steps), (takes, digits.map(str::to_owned)), "{body}");
        }
    }

    #[test]
    fn what_is_cut_short_is_not_heard() {
        let body = "<Gather><Say>one</Say><Say>two</Say><Say>three</Say></Gather>";
        let mut person = caller(&[dials("1#")]);
        person.press_after = 2;
        let lines: Vec<_> = walk(&mut verbs(body), &mut person, Some(0)).lines.into();
        let expected = [(0, "hears: \"one\""), (1, "hears: \"two\""), (2, "presses 1#")];
        assert_eq!(lines, expected.map(|(at, what)| (at, what.to_owned())));
    }

    #[test]
    fn somebody_who_hangs_up_hears_no_more() {
        let mut person = caller(&[]);
        person.leaves = Some(5);
        let body = "<Say>one</Say><Pause length=\"9\"/><Say>two</Say>";
        let stretch = walk(&mut verbs(body), &mut person, Some(2));
        assert_eq!((stretch.takes, stretch.lines.len(), stretch.next), (3, 1, Next::Left));
    }

    #[test]
    fn a_recording_ends_by_silence_by_key_by_length_or_with_the_call() {
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
            let stretch = walk(&mut verbs(body), &mut caller(&steps), Some(0));
            let taken = match &stretch.next {
                Next::Recorded(_, taken) => Some((stretch.takes, taken.seconds, taken.digits.as_str())),
                _ => None,
            };
            assert_eq!(taken, expected, "{body} {steps:?}");
        }
    }

    #[test]
    fn a_call_is_answered_by_the_first_verb_that_needs_it() {
        for (body, answers) in [
            ("<Pause length=\"2\"/><Say>x</Say>", Some(2)),
            ("<Redirect>/a</Redirect>", None),
            ("<Reject/>", None),
            ("<Dial answerOnBridge=\"true\">+13035550100</Dial>", None),
            ("<Dial>+13035550100</Dial>", Some(0)),
            ("<Hangup/>", Some(0)),
        ] {
            assert_eq!(walk(&mut verbs(body), &mut caller(&[]), None).answers, answers, "{body}");
        }
        let stretch = walk(&mut verbs("<Say>x</Say><Reject/>"), &mut caller(&[]), None);
        assert_eq!(stretch.next, Next::Hangup);
    }
}
