//! One call from the first ring to the last status callback.
//!
//! HTTP requests take no simulated time: the clock of the call stops while a document is fetched. So the course of a
//! call does not depend on the real length of its seconds, and requests of the same simulated second are concurrent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use uuid::Uuid;

use super::super::carrier::Carrier;
use super::super::settings::{Account, LegPolicy};
use super::super::webhook::{Form, MAX_RESPONSE_BYTES, Method, WebhookResponse, WebhookResult, fallback_fields};
use super::callbacks::{Callback, Callbacks};
use super::interpret::{Action, RecordedAudio, Segment, interpret};
use super::record::{CallRecord, FetchedDocument, TranscriptLine};
use super::script::Person;
use super::store::{Direction, Entry, Recording};
use super::twiml::{self, Endpoint, Record, Verb};

/// Ends calls whose documents redirect without end.
const MAX_DOCUMENTS: usize = 100;
/// The message that Twilio plays when it cannot continue a call.
const APOLOGY: &str = "hears: \"We are sorry, an application error has occurred. Goodbye.\"";
/// The seconds of a recording that can be transcribed. Source: Twilio, "TwiML: Record", attribute `transcribe`.
const TRANSCRIBABLE: std::ops::RangeInclusive<u32> = 2..=120;
/// Error codes of absent recordings. Source: Twilio, "Error and warning dictionary".
const TOO_SHORT: &str = "16101";
const SILENT: &str = "16102";

/// The status callback of a call, and the events for which it is sent.
#[derive(Debug, Clone, Default)]
pub(super) struct StatusCallbacks {
    pub(super) endpoint: Endpoint,
    pub(super) events: Vec<String>,
}

/// A request for TwiML.
#[derive(Debug, Clone)]
pub(super) struct TwimlRequest {
    pub(super) address: String,
    pub(super) method: Method,
    pub(super) form: Form,
}

/// The response to a request for TwiML.
pub(super) struct TwimlReply {
    pub(super) address: String,
    pub(super) result: WebhookResult,
    pub(super) document: FetchedDocument,
}

pub(super) async fn fetch(carrier: Arc<Carrier>, account: Account, call: String, request: TwimlRequest) -> TwimlReply {
    let TwimlRequest { address, method, form } = request;
    let result = carrier.webhooks.send(&account, method, &address, &form).await;
    let document = FetchedDocument {
        call,
        url: address.split('#').next().unwrap_or_default().to_owned(),
        status: result.as_ref().map_or(0, |response| response.status.as_u16()),
        body: result.as_ref().map(body_text).unwrap_or_default(),
    };
    TwimlReply { address, result, document }
}

fn body_text(response: &WebhookResponse) -> String {
    let body = response.body.get(..MAX_RESPONSE_BYTES).unwrap_or(&response.body);
    String::from_utf8_lossy(body).into_owned()
}

/// Resolves a URL in a document that was fetched from `base`. Without a URL, returns `base`.
pub(super) fn resolve(base: &str, address: Option<&str>) -> String {
    let Some(address) = address else { return base.to_owned() };
    // The grammar has checked that `address` is a URL, so joining fails only if `base` is not one.
    Url::parse(base).and_then(|base| base.join(address)).map_or_else(|_| address.to_owned(), String::from)
}

/// The continuation of a call after an action.
pub(super) enum Continuation {
    Fetch(TwimlRequest),
    NextVerb,
    End,
}

pub(super) struct Call {
    pub(super) carrier: Arc<Carrier>,
    pub(super) account: Account,
    pub(super) entry: Entry,
    who: String,
    pub(super) person: Person,
    status_callbacks: StatusCallbacks,
    /// The number of status callbacks sent, which is the next `SequenceNumber`.
    reported: usize,
    pub(super) callbacks: Callbacks,
    /// The real duration of a simulated second.
    pub(super) second: Duration,
    /// The URL that is requested when another one returns no usable TwiML.
    pub(super) fallback: Option<String>,
    pub(super) legs: LegPolicy,
    /// Simulated seconds since the start of the call.
    pub(super) at: u32,
    answered_at: Option<u32>,
    /// The number of documents requested.
    fetched: usize,
    /// The final status, if it is not `completed` or `no-answer`.
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
        status_callbacks: StatusCallbacks,
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
        let (fallback, reported, at, answered_at, fetched, status) = (None, 0, 0, None, 0, None);
        Self {
            carrier,
            account,
            entry,
            who,
            person,
            status_callbacks,
            reported,
            callbacks,
            second,
            fallback,
            legs,
            at,
            answered_at,
            fetched,
            status,
            record,
        }
    }

    pub(super) fn add_line(&mut self, at_seconds: u32, who: &str, what: impl Into<String>) {
        self.record.transcript.push(TranscriptLine { at_seconds, who: who.to_owned(), what: what.into() });
    }

    pub(super) fn add_own_line(&mut self, what: impl Into<String>) {
        let who = self.who.clone();
        self.add_line(self.at, &who, what);
    }

    /// Records the first error of the call.
    pub(super) fn record_error(&mut self, error: String) {
        self.record.error.get_or_insert(error);
    }

    /// Waits for simulated seconds, or until the API ends the call.
    pub(super) async fn wait(&mut self, seconds: u32) {
        for _ in 0..seconds {
            if self.is_end_requested() {
                break;
            }
            self.carrier.clock.sleep(self.second).await;
            self.at += 1;
        }
    }

    pub(super) fn is_end_requested(&self) -> bool {
        self.carrier.calls.is_end_requested(&self.entry.sid)
    }

    /// Counts a document that is to be requested; false if the limit is exceeded.
    pub(super) fn count_document(&mut self) -> bool {
        self.fetched += 1;
        let is_allowed = self.fetched <= MAX_DOCUMENTS;
        if !is_allowed {
            self.record_error(format!("the call has requested more than {MAX_DOCUMENTS} documents"));
        }
        is_allowed
    }

    fn current_status(&self) -> &'static str {
        if self.answered_at.is_some() { "in-progress" } else { "ringing" }
    }

    pub(super) fn answer(&mut self, at: u32) {
        if self.answered_at.is_none() {
            self.answered_at = Some(at);
            self.carrier.calls.update(&self.entry.sid, "in-progress", None, self.carrier.clock.now());
            self.report("answered", "in-progress", None);
        }
    }

    /// Changes the status of a call that has not been answered.
    pub(super) fn set_status(&mut self, event: &str, status: &'static str) {
        self.carrier.calls.update(&self.entry.sid, status, None, self.carrier.clock.now());
        self.report(event, if event == "initiated" { "initiated" } else { status }, None);
    }

    /// Sends a status callback if the event was subscribed to.
    fn report(&mut self, event: &str, status: &'static str, seconds: Option<u32>) {
        let Some(address) = self.status_callbacks.endpoint.address.clone() else { return };
        if self.status_callbacks.events.iter().any(|subscribed| subscribed == event) {
            let now = self.carrier.clock.now();
            let form = self.entry.status_fields(status, seconds, self.reported, now);
            self.reported += 1;
            let method = self.status_callbacks.endpoint.method;
            self.callbacks.send(&self.entry.sid, Callback { address, method, form });
        }
    }

    fn request(&self, base: &str, endpoint: &Endpoint, mut form: Form, status: &'static str) -> TwimlRequest {
        form.extend(self.entry.request_fields(status));
        TwimlRequest { address: resolve(base, endpoint.address.as_deref()), method: endpoint.method, form }
    }

    /// The request to the `action` of a verb.
    pub(super) fn action(&self, base: &str, endpoint: &Endpoint, form: Form) -> TwimlRequest {
        self.request(base, endpoint, form, self.current_status())
    }

    /// The request to the `action` of a verb after the caller has hung up. Its response is not executed.
    pub(super) fn final_action(&self, base: &str, endpoint: &Endpoint, form: Form) -> TwimlRequest {
        let status = if self.answered_at.is_some() { "completed" } else { "no-answer" };
        self.request(base, endpoint, form, status)
    }

    /// Executes documents, beginning with the one at this URL, until the call ends.
    pub(super) async fn run(&mut self, address: &str, method: Method) {
        let endpoint = Endpoint { address: None, method };
        let mut request = self.action(address, &endpoint, Form::new());
        let mut is_fallback = false;
        while self.count_document() {
            let reply = fetch(self.carrier.clone(), self.account.clone(), self.entry.sid.clone(), request).await;
            self.record.documents.push(reply.document);
            let verbs = match twiml::read(reply.result.as_ref()) {
                Ok(verbs) => verbs,
                Err(error) => match self.fallback_request(&reply.address, &error).filter(|_| !is_fallback) {
                    Some(fallback) => {
                        self.record_error(error);
                        (request, is_fallback) = (fallback, true);
                        continue;
                    }
                    None => return self.end_with_apology(error),
                },
            };
            is_fallback = false;
            match self.run_document(verbs, &reply.address).await {
                Some(next) => request = next,
                None => return,
            }
        }
        self.add_own_line(APOLOGY);
    }

    /// The request to the fallback URL after another URL failed; `None` without a fallback URL.
    fn fallback_request(&self, failed: &str, error: &str) -> Option<TwimlRequest> {
        let error_code = error.split(' ').next().unwrap_or_default();
        let endpoint = Endpoint { address: None, method: Method::Post };
        Some(self.action(self.fallback.as_deref()?, &endpoint, fallback_fields(error_code, failed)))
    }

    fn end_with_apology(&mut self, error: String) {
        self.answer(self.at);
        self.record_error(error);
        self.add_own_line(APOLOGY);
    }

    /// Executes one document and returns the next request; `None` if the call ends.
    async fn run_document(&mut self, mut verbs: VecDeque<Verb>, base: &str) -> Option<TwimlRequest> {
        loop {
            let on_line = self.answered_at.map(|answered| self.at.saturating_sub(answered));
            let segment = interpret(&mut verbs, &mut self.person, on_line);
            let action = self.play(segment).await;
            let continuation = match action {
                Action::Fetch(endpoint, form) => Continuation::Fetch(self.action(base, &endpoint, form)),
                Action::Dial(dial) => self.dial(dial, base).await,
                Action::Recorded(record, audio) => self.finish_recording(&record, audio, base).await,
                Action::PersonHungUp => {
                    self.add_own_line("hangs up");
                    Continuation::End
                }
                Action::Rejected(status) => {
                    self.status = Some(status);
                    self.add_own_line(format!("is rejected: {status}"));
                    Continuation::End
                }
                Action::Hangup | Action::End => {
                    self.add_own_line("is hung up on");
                    Continuation::End
                }
            };
            match continuation {
                Continuation::Fetch(request) => return Some(request),
                Continuation::NextVerb => {}
                Continuation::End => return None,
            }
        }
    }

    /// Waits for the duration of a segment and adds its transcript. The action is `Hangup` if the API ends the call.
    async fn play(&mut self, segment: Segment) -> Action {
        let (start, who) = (self.at, self.who.clone());
        if let Some(after) = segment.answers_after {
            self.answer(start + after);
        }
        self.wait(segment.duration).await;
        let is_ended = self.is_end_requested();
        for (after, what) in segment.lines.into_iter().filter(|(after, _)| !is_ended || start + after <= self.at) {
            self.record.transcript.push(TranscriptLine { at_seconds: start + after, who: who.clone(), what });
        }
        if is_ended { Action::Hangup } else { segment.action }
    }

    /// Stores a recording, sends its callbacks, and returns the request to the action. For an absent recording, a
    /// callback is sent if the event `absent` was subscribed to. After a silent recording the document continues; after
    /// one that is too short, the action is requested.
    /// Source: Twilio, "TwiML: Record", attributes `action`, `recordingStatusCallback`, `transcribeCallback`.
    async fn finish_recording(&mut self, record: &Record, audio: RecordedAudio, base: &str) -> Continuation {
        let now = self.carrier.clock.now();
        let recording = Recording::new(&self.account.sid, &self.entry.sid, audio.seconds, now);
        let sid = recording.sid.clone();
        let address = format!("{}/2010-04-01/Accounts/{}/Recordings/{sid}", self.carrier.base, self.account.sid);
        let (recording_status, caller_hung_up) = (recording.status(), audio.digits == "hangup");
        self.carrier.calls.add_recording(recording);
        // Partial seconds are rounded up, so an absent recording has a duration of one second.
        let seconds = audio.seconds.max(1);
        let fields =
            vec![("RecordingUrl", address), ("RecordingSid", sid.clone()), ("RecordingDuration", seconds.to_string())];
        let status = if caller_hung_up { "completed" } else { self.current_status() };
        if let Some(callback) = record.callback.address.as_deref()
            && record.events.iter().any(|event| event == recording_status)
        {
            let error = match (audio.seconds, caller_hung_up) {
                (0, true) => TOO_SHORT,
                (0, false) => SILENT,
                _ => "0",
            };
            let mut form: Form = fields.iter().filter(|(name, _)| *name != "RecordingDuration").cloned().collect();
            form.extend([
                ("RecordingDuration", audio.seconds.to_string()),
                ("AccountSid", self.account.sid.clone()),
                ("CallSid", self.entry.sid.clone()),
                ("RecordingStatus", recording_status.to_owned()),
                ("RecordingChannels", "1".to_owned()),
                ("RecordingSource", "RecordVerb".to_owned()),
                ("RecordingStartTime", now.to_rfc2822()),
                ("ErrorCode", error.to_owned()),
            ]);
            let (address, method) = (resolve(base, Some(callback)), record.callback.method);
            self.callbacks.send(&sid, Callback { address, method, form });
        }
        if audio.seconds > 0 {
            self.record.recordings.push(sid);
            self.send_transcription(record, &fields, audio.seconds, status, base);
        } else if !caller_hung_up {
            return Continuation::NextVerb;
        }
        let mut form = fields;
        form.push(("Digits", audio.digits));
        if caller_hung_up {
            self.add_own_line("hangs up");
            let request = self.final_action(base, &record.action, form);
            self.fetch_and_discard(request).await;
            return Continuation::End;
        }
        Continuation::Fetch(self.action(base, &record.action, form))
    }

    fn send_transcription(&mut self, record: &Record, fields: &Form, seconds: u32, status: &str, base: &str) {
        let Some(callback) = record.transcribe_callback.as_deref().filter(|_| record.transcribe) else { return };
        if record.max_length > *TRANSCRIBABLE.end() {
            return self
                .record_error("13617 Record: transcribe requires a maxLength of at most 120 seconds".to_owned());
        }
        let sid = format!("TR{}", Uuid::new_v4().simple());
        let mut form: Form = fields.iter().filter(|(name, _)| *name != "RecordingDuration").cloned().collect();
        if TRANSCRIBABLE.contains(&seconds) {
            form.push(("TranscriptionStatus", "completed".to_owned()));
            form.push(("TranscriptionText", format!("A person speaks for {seconds} seconds.")));
        } else {
            form.push(("TranscriptionStatus", "failed".to_owned()));
        }
        let url = format!("{}/2010-04-01/Accounts/{}/Transcriptions/{sid}", self.carrier.base, self.account.sid);
        form.extend([("TranscriptionSid", sid.clone()), ("TranscriptionUrl", url)]);
        form.extend([("TranscriptionType", "fast".to_owned())]);
        form.extend(self.entry.request_fields(status));
        let callback = Callback { address: resolve(base, Some(callback)), method: Method::Post, form };
        self.callbacks.send(&sid, callback);
    }

    /// Requests a document that is not executed.
    pub(super) async fn fetch_and_discard(&mut self, request: TwimlRequest) {
        let reply = fetch(self.carrier.clone(), self.account.clone(), self.entry.sid.clone(), request).await;
        self.record.documents.push(reply.document);
    }

    /// Sets the final status of a call that was not answered.
    pub(super) fn end_unanswered(&mut self, status: &'static str) {
        self.status = Some(status);
        self.add_own_line(status);
    }

    /// Ends the call and returns its record after all status callbacks have been sent.
    pub(super) async fn finish(mut self) -> CallRecord {
        let default = if self.answered_at.is_some() { "completed" } else { "no-answer" };
        let status = self.status.unwrap_or(default);
        let seconds = self.answered_at.map_or(0, |answered| self.at.saturating_sub(answered));
        self.carrier.calls.update(&self.entry.sid, status, Some(seconds), self.carrier.clock.now());
        self.report("completed", status, Some(seconds));
        self.record.status = status.to_owned();
        self.record.seconds = seconds;
        // Lines of legs are added when a segment ends, so they are out of order. The sort is stable.
        self.record.transcript.sort_by_key(|line| line.at_seconds);
        let Self { carrier, callbacks, record, .. } = self;
        callbacks.finish().await;
        carrier.calls.add_record(record.clone());
        record
    }

    /// The entry of a new leg of this call.
    pub(super) fn leg_entry(&self, from: &str, to: &str) -> Entry {
        Entry {
            parent: Some(self.entry.sid.clone()),
            ..Entry::new(&self.carrier, &self.account, from, to, Direction::OutboundDial)
        }
    }
}
