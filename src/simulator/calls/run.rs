//! A call from its first ring to its last report.
//!
//! Requests take no time of the call's: its seconds stand still while a document is asked for. So it
//! does not matter how fast they pass, and what happens in the same second is asked in the same moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::super::carrier::Carrier;
use super::super::settings::{Account, Legs};
use super::super::webhook::{Answer, Answered, Form, MAX_ANSWER_BYTES, Method, failure};
use super::book::{Direction, Entry, Recording};
use super::callbacks::{Callback, Callbacks};
use super::record::{CallRecord, Document, Line};
use super::script::Person;
use super::twiml::{self, Record, Request, Verb};
use super::walk::{Next, Stretch, Taken, walk};

/// A document that asks for another for ever is not followed for ever.
const MOST_DOCUMENTS: usize = 100;
/// What Twilio says when it cannot go on.
const APOLOGY: &str = "hears: \"We are sorry, an application error has occurred. Goodbye.\"";
/// Nothing shorter or longer is transcribed. Source: Twilio, "TwiML: Record", attribute `transcribe`.
const TRANSCRIBED: std::ops::RangeInclusive<u32> = 2..=120;
/// Why a recording is absent. Source: Twilio, "Error and warning dictionary".
const TOO_SHORT: &str = "16101";
const SILENT: &str = "16102";

/// Where a call's own progress is reported, and which of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports {
    pub(super) to: Request,
    pub(super) events: Vec<String>,
}

/// A request for TwiML.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) address: String,
    pub(super) method: Method,
    pub(super) form: Form,
}

/// What came of it.
pub(super) struct Reply {
    pub(super) address: String,
    pub(super) answer: Answered,
    pub(super) document: Document,
}

pub(super) async fn ask(carrier: Arc<Carrier>, account: Account, call: String, question: Question) -> Reply {
    let Question { address, method, form } = question;
    let answer = carrier.webhooks.ask(&account, method, &address, &form).await;
    let document = Document {
        call,
        url: address.split('#').next().unwrap_or_default().to_owned(),
        status: answer.as_ref().map_or(0, |answer| answer.status.as_u16()),
        body: answer.as_ref().map(shown).unwrap_or_default(),
    };
    Reply { address, answer, document }
}

fn shown(answer: &Answer) -> String {
    let body = answer.body.get(..MAX_ANSWER_BYTES).unwrap_or(&answer.body);
    String::from_utf8_lossy(body).into_owned()
}

/// An address in a document that came from `base`.
pub(super) fn resolve(base: &str, address: Option<&str>) -> String {
    let Some(address) = address else { return base.to_owned() };
    // The grammar has seen to it that it is one; an absolute one needs no base.
    Url::parse(base).and_then(|base| base.join(address)).map_or_else(|_| address.to_owned(), String::from)
}

/// How a call goes on.
pub(super) enum Then {
    /// With the document that this asks for.
    Ask(Question),
    /// With the next verb.
    Goes,
    Over,
}

pub(super) struct Call {
    pub(super) carrier: Arc<Carrier>,
    pub(super) account: Account,
    pub(super) entry: Entry,
    who: String,
    pub(super) person: Person,
    reports: Reports,
    reported: usize,
    pub(super) callbacks: Callbacks,
    /// How long its seconds last.
    pub(super) second: Duration,
    /// Where it asks for TwiML when an address had no usable answer.
    pub(super) fallback: Option<String>,
    pub(super) legs: Legs,
    /// Seconds since it began.
    pub(super) at: u32,
    answered_at: Option<u32>,
    asked: usize,
    /// How it ends, if not as calls do.
    status: Option<&'static str>,
    pub(super) record: CallRecord,
}

impl Call {
    pub(super) fn new(
        carrier: Arc<Carrier>,
        account: Account,
        entry: Entry,
        who: String,
        person: Person,
        reports: Reports,
    ) -> Self {
        carrier.calls.add(entry.clone());
        let record = CallRecord {
            sid: entry.sid.clone(),
            status: String::new(),
            seconds: 0,
            error: None,
            transcript: Vec::new(),
            documents: Vec::new(),
            legs: Vec::new(),
            recordings: Vec::new(),
        };
        let callbacks = Callbacks::new(carrier.clone(), account.clone());
        let legs = carrier.settings.legs;
        let second = carrier.settings.pace.second;
        let (fallback, reported, at, answered_at, asked, status) = (None, 0, 0, None, 0, None);
        Self {
            carrier,
            account,
            entry,
            who,
            person,
            reports,
            reported,
            callbacks,
            second,
            fallback,
            legs,
            at,
            answered_at,
            asked,
            status,
            record,
        }
    }

    pub(super) fn line(&mut self, at_seconds: u32, who: &str, what: impl Into<String>) {
        self.record.transcript.push(Line { at_seconds, who: who.to_owned(), what: what.into() });
    }

    pub(super) fn own_line(&mut self, what: impl Into<String>) {
        let who = self.who.clone();
        self.line(self.at, &who, what);
    }

    pub(super) fn wrong(&mut self, error: String) {
        self.record.error.get_or_insert(error);
    }

    /// Lets seconds of the call pass, fewer if the API ends it.
    pub(super) async fn wait(&mut self, seconds: u32) {
        for _ in 0..seconds {
            if self.is_to_end() {
                break;
            }
            self.carrier.clock.sleep(self.second).await;
            self.at += 1;
        }
    }

    pub(super) fn is_to_end(&self) -> bool {
        self.carrier.calls.is_to_end(&self.entry.sid)
    }

    /// Whether one more document may be asked for.
    pub(super) fn may_ask(&mut self) -> bool {
        self.asked += 1;
        let may = self.asked <= MOST_DOCUMENTS;
        if !may {
            self.wrong(format!("the call has asked for more than {MOST_DOCUMENTS} documents"));
        }
        may
    }

    /// What the call is at this moment, in Twilio's word.
    fn word(&self) -> &'static str {
        if self.answered_at.is_some() { "in-progress" } else { "ringing" }
    }

    pub(super) fn answer(&mut self, at: u32) {
        if self.answered_at.is_none() {
            self.answered_at = Some(at);
            self.carrier.calls.change(&self.entry.sid, "in-progress", None, self.carrier.clock.now());
            self.report("answered", "in-progress", None);
        }
    }

    /// Something becomes of the call before it is answered.
    pub(super) fn progress(&mut self, event: &str, status: &'static str) {
        self.carrier.calls.change(&self.entry.sid, status, None, self.carrier.clock.now());
        self.report(event, if event == "initiated" { "initiated" } else { status }, None);
    }

    /// Reports an event, if it was asked for.
    fn report(&mut self, event: &str, status: &'static str, seconds: Option<u32>) {
        let Some(address) = self.reports.to.address.clone() else { return };
        if self.reports.events.iter().any(|wanted| wanted == event) {
            let now = self.carrier.clock.now();
            let form = self.entry.progress(status, seconds, self.reported, now);
            self.reported += 1;
            let method = self.reports.to.method;
            self.callbacks.send(&self.entry.sid, Callback { address, method, form });
        }
    }

    fn question(&self, base: &str, request: &Request, mut form: Form, status: &'static str) -> Question {
        form.extend(self.entry.fields(status));
        Question { address: resolve(base, request.address.as_deref()), method: request.method, form }
    }

    /// What a verb's action is asked, the call being what it is.
    pub(super) fn action(&self, base: &str, request: &Request, form: Form) -> Question {
        self.question(base, request, form, self.word())
    }

    /// The same when the caller has hung up: nobody is left to follow the answer.
    pub(super) fn last_action(&self, base: &str, request: &Request, form: Form) -> Question {
        let status = if self.answered_at.is_some() { "completed" } else { "no-answer" };
        self.question(base, request, form, status)
    }

    /// Follows the documents from this address until the call is over.
    pub(super) async fn follow(&mut self, address: &str, method: Method) {
        let request = Request { address: None, method };
        let mut question = self.action(address, &request, Form::new());
        let mut asks_fallback = false;
        while self.may_ask() {
            let asking = ask(self.carrier.clone(), self.account.clone(), self.entry.sid.clone(), question);
            let reply = asking.await;
            self.record.documents.push(reply.document);
            let verbs = match twiml::read(reply.answer.as_ref()) {
                Ok(verbs) => verbs,
                Err(error) => match self.to_fallback(&reply.address, &error).filter(|_| !asks_fallback) {
                    Some(to_fallback) => {
                        self.wrong(error);
                        (question, asks_fallback) = (to_fallback, true);
                        continue;
                    }
                    None => return self.apologise(error),
                },
            };
            asks_fallback = false;
            match self.document(verbs, &reply.address).await {
                Some(next) => question = next,
                None => return,
            }
        }
        self.own_line(APOLOGY);
    }

    /// What the number's fallback is asked about an address that failed, if there is a fallback.
    fn to_fallback(&self, failed: &str, error: &str) -> Option<Question> {
        let error_code = error.split(' ').next().unwrap_or_default();
        let request = Request { address: None, method: Method::Post };
        Some(self.action(self.fallback.as_deref()?, &request, failure(error_code, failed)))
    }

    fn apologise(&mut self, error: String) {
        self.answer(self.at);
        self.wrong(error);
        self.own_line(APOLOGY);
    }

    /// Follows one document; gives what is to be asked next, if the call is not over.
    async fn document(&mut self, mut verbs: VecDeque<Verb>, base: &str) -> Option<Question> {
        loop {
            let on_line = self.answered_at.map(|answered| self.at.saturating_sub(answered));
            let stretch = walk(&mut verbs, &mut self.person, on_line);
            let next = self.live(stretch).await;
            let then = match next {
                Next::Ask(request, form) => Then::Ask(self.action(base, &request, form)),
                Next::Dial(dial) => self.dial(dial, base).await,
                Next::Recorded(record, taken) => self.recorded(&record, taken, base).await,
                Next::Left => {
                    self.own_line("hangs up");
                    Then::Over
                }
                Next::Rejected(status) => {
                    self.status = Some(status);
                    self.own_line(format!("is rejected: {status}"));
                    Then::Over
                }
                Next::Hangup | Next::End => {
                    self.own_line("is hung up on");
                    Then::Over
                }
            };
            match then {
                Then::Ask(question) => return Some(question),
                Then::Goes => {}
                Then::Over => return None,
            }
        }
    }

    async fn live(&mut self, stretch: Stretch) -> Next {
        let (begun, who) = (self.at, self.who.clone());
        if let Some(after) = stretch.answers {
            self.answer(begun + after);
        }
        self.wait(stretch.takes).await;
        let is_ended = self.is_to_end();
        for (after, what) in stretch.lines.into_iter().filter(|(after, _)| !is_ended || begun + after <= self.at) {
            self.record.transcript.push(Line { at_seconds: begun + after, who: who.clone(), what });
        }
        if is_ended { Next::Hangup } else { stretch.next }
    }

    /// Keeps what was recorded, reports it, and asks the action. An absent recording is reported if that was asked for:
    /// after a silent one the document goes on, and after one that is too short the action is asked all the same.
    /// Source: Twilio, "TwiML: Record", attributes `action`, `recordingStatusCallback`, `transcribeCallback`.
    async fn recorded(&mut self, record: &Record, taken: Taken, base: &str) -> Then {
        let now = self.carrier.clock.now();
        let sid = format!("RE{}", self.carrier.ids.uuid(now).simple());
        let address = format!("{}/2010-04-01/Accounts/{}/Recordings/{sid}", self.carrier.base, self.account.sid);
        let recording = Recording {
            account: self.account.sid.clone(),
            call: self.entry.sid.clone(),
            seconds: taken.seconds,
            created: now,
        };
        let (recorded, has_left) = (recording.status(), taken.digits == "hangup");
        self.carrier.calls.add_recording(sid.clone(), recording);
        // The action is told of a second that was begun.
        let seconds = taken.seconds.max(1);
        let about =
            vec![("RecordingUrl", address), ("RecordingSid", sid.clone()), ("RecordingDuration", seconds.to_string())];
        let status = if has_left { "completed" } else { self.word() };
        if let Some(callback) = record.callback.address.as_deref()
            && record.events.iter().any(|event| event == recorded)
        {
            let error = match (taken.seconds, has_left) {
                (0, true) => TOO_SHORT,
                (0, false) => SILENT,
                _ => "0",
            };
            let mut form: Form = about.iter().filter(|(name, _)| *name != "RecordingDuration").cloned().collect();
            form.extend([
                ("RecordingDuration", taken.seconds.to_string()),
                ("AccountSid", self.account.sid.clone()),
                ("CallSid", self.entry.sid.clone()),
                ("RecordingStatus", recorded.to_owned()),
                ("RecordingChannels", "1".to_owned()),
                ("RecordingSource", "RecordVerb".to_owned()),
                ("RecordingStartTime", now.to_rfc2822()),
                ("ErrorCode", error.to_owned()),
            ]);
            let (address, method) = (resolve(base, Some(callback)), record.callback.method);
            self.callbacks.send(&sid, Callback { address, method, form });
        }
        if taken.seconds > 0 {
            self.record.recordings.push(sid);
            self.transcribed(record, &about, taken.seconds, status, base);
        } else if !has_left {
            return Then::Goes;
        }
        let mut form = about;
        form.push(("Digits", taken.digits));
        if has_left {
            self.own_line("hangs up");
            let question = self.last_action(base, &record.action, form);
            self.ask_in_vain(question).await;
            return Then::Over;
        }
        Then::Ask(self.action(base, &record.action, form))
    }

    fn transcribed(&mut self, record: &Record, about: &Form, seconds: u32, status: &str, base: &str) {
        let Some(callback) = record.transcribe_callback.as_deref().filter(|_| record.transcribe) else { return };
        if record.max_length > *TRANSCRIBED.end() {
            return self.wrong("13617 Record: no transcription with a maxLength of more than 120 seconds".to_owned());
        }
        let sid = format!("TR{}", self.carrier.ids.uuid(self.carrier.clock.now()).simple());
        let mut form: Form = about.iter().filter(|(name, _)| *name != "RecordingDuration").cloned().collect();
        if TRANSCRIBED.contains(&seconds) {
            form.push(("TranscriptionStatus", "completed".to_owned()));
            form.push(("TranscriptionText", format!("Somebody speaks for {seconds} seconds.")));
        } else {
            form.push(("TranscriptionStatus", "failed".to_owned()));
        }
        let url = format!("{}/2010-04-01/Accounts/{}/Transcriptions/{sid}", self.carrier.base, self.account.sid);
        form.extend([("TranscriptionSid", sid.clone()), ("TranscriptionUrl", url)]);
        form.extend([("TranscriptionType", "fast".to_owned())]);
        form.extend(self.entry.fields(status));
        let callback = Callback { address: resolve(base, Some(callback)), method: Method::Post, form };
        self.callbacks.send(&sid, callback);
    }

    /// Asks for a document that nobody follows.
    pub(super) async fn ask_in_vain(&mut self, question: Question) {
        let asking = ask(self.carrier.clone(), self.account.clone(), self.entry.sid.clone(), question);
        let reply = asking.await;
        self.record.documents.push(reply.document);
    }

    /// A call that nobody took.
    pub(super) fn unanswered(&mut self, status: &'static str) {
        self.status = Some(status);
        self.own_line(status);
    }

    /// Reports the end, and gives what is left of the call once everything has been reported.
    pub(super) async fn finish(mut self) -> CallRecord {
        let usual = if self.answered_at.is_some() { "completed" } else { "no-answer" };
        let status = self.status.unwrap_or(usual);
        let seconds = self.answered_at.map_or(0, |answered| self.at.saturating_sub(answered));
        self.carrier.calls.change(&self.entry.sid, status, Some(seconds), self.carrier.clock.now());
        self.report("completed", status, Some(seconds));
        self.record.status = status.to_owned();
        self.record.seconds = seconds;
        // What legs do is written down when it is over; those of one second stay as they came.
        self.record.transcript.sort_by_key(|line| line.at_seconds);
        let Self { carrier, callbacks, record, .. } = self;
        callbacks.finish().await;
        carrier.calls.keep(record.clone());
        record
    }

    /// The entry of a leg of this call.
    pub(super) fn leg_entry(&self, from: &str, to: &str) -> Entry {
        Entry {
            parent: Some(self.entry.sid.clone()),
            ..Entry::new(&self.carrier, &self.account, from, to, Direction::OutboundDial)
        }
    }
}
