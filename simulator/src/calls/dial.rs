//! The Dial verb: phones ring, hear their screening documents, and one of them is bridged.
//! Source: Twilio, "TwiML: Dial"; "TwiML: Number".

use std::collections::VecDeque;
use std::mem;

use futures_util::future::{BoxFuture, join};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::super::settings::LegPolicy;
use super::super::webhook::Form;
use super::callbacks::Callback;
use super::caller_id::is_accepted;
use super::interpret::{Action, Segment, interpret};
use super::record::LegRecord;
use super::run::{Call, Continuation, TwimlReply, TwimlRequest, fetch, resolve};
use super::script::{Person, PhoneScript};
use super::store::Entry;
use super::twiml::{self, Dial, Number, Verb};

enum Phase {
    /// The phone has not been called yet.
    Waiting,
    /// The phone rings until the person answers or the leg ends with this status.
    Ringing(Result<Person, &'static str>),
    /// The phone hears a segment that started at this second.
    Listening(u32, Segment),
    /// The next document of the leg is being fetched.
    Fetching,
    Bridged,
    Ended,
}

struct Leg {
    number: Number,
    entry: Entry,
    phase: Phase,
    /// The second at which `Ringing` or `Listening` ends.
    due: u32,
    person: Option<Person>,
    verbs: VecDeque<Verb>,
    /// The URL of the last document.
    base: String,
    answered_at: Option<u32>,
    reported: usize,
    record: LegRecord,
}

impl Leg {
    fn is_due(&self, now: u32) -> bool {
        matches!(self.phase, Phase::Ringing(_) | Phase::Listening(..)) && self.due <= now
    }
}

/// The conversation between the caller and a leg.
struct Bridge {
    leg: usize,
    until: u32,
    /// True if the caller ends the conversation.
    caller_ends: bool,
}

/// One execution of a Dial.
struct DialSession<'a> {
    dial: &'a Dial,
    base: &'a str,
    legs: Vec<Leg>,
    fetches: FuturesUnordered<BoxFuture<'static, (usize, TwimlReply)>>,
    bridge: Option<Bridge>,
    /// The index of the leg that ended last.
    last_ended: usize,
}

impl Call {
    /// Calls the phones of a Dial and returns after the conversation or the last attempt.
    pub(super) async fn dial(&mut self, dial: Dial, base: &str) -> Continuation {
        let from = dial.caller_id.clone().unwrap_or_else(|| self.entry.from.clone());
        if from != self.entry.from && from != self.entry.to && !self.account.has(&from) {
            self.record_error(format!("13214 Dial: Invalid callerId value: {from}"));
            return Continuation::End;
        }
        let legs = dial.numbers.iter().map(|number| self.leg(&from, number)).collect();
        let hangs_up_at = self.person.at_dial().map(|after| self.at + after);
        let fetches = FuturesUnordered::new();
        let mut session = DialSession { dial: &dial, base, legs, fetches, bridge: None, last_ended: 0 };
        let caller_hung_up = session.run(self, hangs_up_at).await;
        session.finish(self, caller_hung_up).await
    }

    fn leg(&self, from: &str, number: &Number) -> Leg {
        let entry = self.leg_entry(from, &number.to);
        let record = LegRecord {
            sid: entry.sid.clone(),
            to: entry.to.clone(),
            status: "queued".to_owned(),
            answered: false,
            accepted: false,
            bridged: false,
            heard: Vec::new(),
        };
        Leg {
            number: number.clone(),
            entry,
            phase: Phase::Waiting,
            due: 0,
            person: None,
            verbs: VecDeque::new(),
            base: String::new(),
            answered_at: None,
            reported: 0,
            record,
        }
    }
}

impl DialSession<'_> {
    /// Runs until the Dial ends; true if the caller hung up.
    async fn run(&mut self, call: &mut Call, hangs_up_at: Option<u32>) -> bool {
        loop {
            self.start_legs(call);
            while let Some(at) = self.legs.iter().position(|leg| leg.is_due(call.at)) {
                self.finish_phase(call, at);
                self.start_legs(call);
            }
            self.end_requested_legs(call);
            if call.is_end_requested() || hangs_up_at.is_some_and(|at| at <= call.at) {
                return true;
            }
            match &self.bridge {
                Some(bridge) if bridge.until <= call.at => return bridge.caller_ends,
                Some(bridge) if self.is_ended(bridge.leg) => return false,
                None if (0..self.legs.len()).all(|at| self.is_ended(at)) => return false,
                _ => {}
            }
            // The simulated time stops while documents are fetched.
            if let Some((at, reply)) = self.fetches.next().await {
                self.handle_reply(call, at, reply);
                continue;
            }
            let is_active = self.bridge.is_some() || self.legs.iter().any(|leg| leg.is_due(u32::MAX));
            if !is_active {
                return false;
            }
            // One second at a time, because the API may end a leg in any second.
            call.wait(1).await;
        }
    }

    fn is_ended(&self, at: usize) -> bool {
        self.legs.get(at).is_none_or(|leg| matches!(leg.phase, Phase::Ended))
    }

    /// Ends the legs whose end the API has requested.
    fn end_requested_legs(&mut self, call: &mut Call) {
        for at in 0..self.legs.len() {
            if self.legs.get(at).is_some_and(|leg| call.carrier.calls.is_end_requested(&leg.entry.sid)) {
                self.disconnect(call, at);
            }
        }
    }

    /// Calls the waiting phones: all of them, or the next one if the Dial is sequential.
    fn start_legs(&mut self, call: &mut Call) {
        let is_waiting = |leg: &Leg| matches!(leg.phase, Phase::Waiting);
        while self.bridge.is_none()
            && let Some(at) = self.legs.iter().position(is_waiting)
        {
            let is_busy = self.legs.iter().any(|leg| !matches!(leg.phase, Phase::Waiting | Phase::Ended));
            if self.dial.sequential && is_busy {
                break;
            }
            self.ring(call, at);
        }
    }

    fn ring(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        call.carrier.calls.add(leg.entry.clone());
        let phone = if is_accepted(&leg.entry.from) {
            call.carrier.calls.phone_script(&leg.entry.to)
        } else {
            PhoneScript::Failed
        };
        let ring = phone.ring(self.dial.timeout);
        (leg.phase, leg.due) = (Phase::Ringing(ring.outcome), call.at + ring.after);
        self.report(call, at, "initiated", "initiated");
        if ring.rings {
            self.report(call, at, "ringing", "ringing");
            self.add_line(call, at, "rings");
        }
    }

    fn add_line(&self, call: &mut Call, at: usize, what: &str) {
        if let Some(leg) = self.legs.get(at) {
            call.add_line(call.at, &leg.entry.to, what);
        }
    }

    /// Updates the status of a leg, and sends a status callback if the event was subscribed to.
    fn report(&mut self, call: &mut Call, at: usize, event: &str, status: &'static str) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.record.status = status.to_owned();
        let seconds = (event == "completed").then(|| leg.answered_at.map_or(0, |since| call.at - since));
        let now = call.carrier.clock.now();
        call.carrier.calls.update(&leg.entry.sid, status, seconds, now);
        let Some(address) = &leg.number.callback.address else { return };
        if leg.number.events.iter().any(|subscribed| subscribed == event) {
            let form = leg.entry.status_fields(status, seconds, leg.reported, now);
            leg.reported += 1;
            let (address, method) = (resolve(self.base, Some(address)), leg.number.callback.method);
            call.callbacks.send(&leg.entry.sid, Callback { address, method, form });
        }
    }

    /// Moves a leg from `Ringing` or `Listening` to the next phase.
    fn finish_phase(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        match mem::replace(&mut leg.phase, Phase::Ended) {
            Phase::Ringing(Ok(person)) => {
                leg.person = Some(person);
                self.answer_leg(call, at);
            }
            Phase::Ringing(Err(status)) => self.end_leg(call, at, status),
            Phase::Listening(since, segment) => {
                self.add_heard(call, at, since, segment.lines);
                match segment.action {
                    Action::Fetch(endpoint, form) => {
                        let Some(leg) = self.legs.get(at) else { return };
                        let address = resolve(&leg.base, endpoint.address.as_deref());
                        self.fetch(call, at, TwimlRequest { address, method: endpoint.method, form });
                    }
                    Action::End => self.accept(call, at),
                    Action::PersonHungUp => {
                        self.add_line(call, at, "hangs up");
                        self.end_leg(call, at, "completed");
                    }
                    // A hangup: screening documents have no other action.
                    _ => {
                        self.add_line(call, at, "is hung up on");
                        self.end_leg(call, at, "completed");
                    }
                }
            }
            phase => leg.phase = phase,
        }
    }

    fn answer_leg(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.answered_at = Some(call.at);
        leg.record.answered = true;
        let screening = leg.number.screening.clone();
        self.add_line(call, at, "answers");
        self.report(call, at, "answered", "in-progress");
        if call.legs == LegPolicy::Cancel {
            self.disconnect_others(call, at);
        }
        match screening.address {
            Some(address) => {
                let address = resolve(self.base, Some(&address));
                self.fetch(call, at, TwimlRequest { address, method: screening.method, form: Form::new() });
            }
            None => self.accept(call, at),
        }
    }

    fn fetch(&mut self, call: &mut Call, at: usize, mut request: TwimlRequest) {
        if !call.count_document() {
            return self.end_leg(call, at, "completed");
        }
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.phase = Phase::Fetching;
        request.form.extend(leg.entry.request_fields("in-progress"));
        let reply = fetch(call.carrier.clone(), call.account.clone(), leg.entry.sid.clone(), request);
        self.fetches.push(Box::pin(async move { (at, reply.await) }));
    }

    /// Handles the document of a leg. If the leg has ended during the request, only `accepted` and the transcript are
    /// updated, so that tests can detect two phones that were promised the same caller.
    fn handle_reply(&mut self, call: &mut Call, at: usize, reply: TwimlReply) {
        call.record.documents.push(reply.document);
        let Some(leg) = self.legs.get_mut(at) else { return };
        let is_connected = matches!(leg.phase, Phase::Fetching);
        leg.base = reply.address;
        leg.verbs = match twiml::read_screening(reply.result.as_ref()) {
            Ok(verbs) => verbs,
            Err(error) => {
                call.record_error(error);
                if is_connected {
                    self.add_line(call, at, "is hung up on");
                    self.end_leg(call, at, "completed");
                }
                return;
            }
        };
        let on_line = leg.answered_at.map_or(0, |since| call.at - since);
        let Some(person) = &mut leg.person else { return };
        let segment = interpret(&mut leg.verbs, person, Some(on_line));
        if is_connected {
            leg.due = call.at + segment.duration;
            leg.phase = Phase::Listening(call.at, segment);
        } else {
            leg.record.accepted |= segment.action == Action::End;
            self.add_heard(call, at, call.at, segment.lines);
        }
    }

    /// Adds the lines of a segment to the transcript and to the record of the leg.
    fn add_heard(&mut self, call: &mut Call, at: usize, since: u32, lines: impl IntoIterator<Item = (u32, String)>) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        for (after, what) in lines {
            if let Some(text) = what.strip_prefix("hears: ") {
                leg.record.heard.push(text.trim_matches('"').to_owned());
            }
            call.add_line(since + after, &leg.entry.to, what);
        }
    }

    /// Bridges a leg whose screening document has ended, or ends it if another one is bridged.
    fn accept(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.record.accepted = true;
        if self.bridge.is_some() {
            return self.end_leg(call, at, "completed");
        }
        leg.phase = Phase::Bridged;
        leg.record.bridged = true;
        let leg_talks = leg.person.as_ref().map_or(0, |person| person.talk);
        let lasts = call.person.talk.min(leg_talks).min(self.dial.time_limit);
        let caller_ends = call.person.talk == lasts && lasts < self.dial.time_limit;
        self.bridge = Some(Bridge { leg: at, until: call.at + lasts, caller_ends });
        call.answer(call.at);
        self.add_line(call, at, "bridged");
        self.disconnect_others(call, at);
    }

    /// Ends all legs except this one.
    fn disconnect_others(&mut self, call: &mut Call, kept: usize) {
        for at in (0..self.legs.len()).filter(|at| *at != kept) {
            self.disconnect(call, at);
        }
    }

    fn disconnect(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        let status = match mem::replace(&mut leg.phase, Phase::Ended) {
            Phase::Waiting | Phase::Ended => return,
            Phase::Ringing(_) => "canceled",
            Phase::Listening(since, segment) => {
                let until = call.at;
                let lines = segment.lines.into_iter().filter(|(after, _)| since + after <= until);
                self.add_heard(call, at, since, lines);
                "completed"
            }
            Phase::Fetching | Phase::Bridged => "completed",
        };
        self.end_leg(call, at, status);
    }

    fn end_leg(&mut self, call: &mut Call, at: usize, status: &'static str) {
        if let Some(leg) = self.legs.get_mut(at) {
            leg.phase = Phase::Ended;
            self.last_ended = at;
            self.report(call, at, "completed", status);
            self.add_line(call, at, &format!("ends: {status}"));
        }
    }

    /// Ends the remaining legs and requests the action.
    async fn finish(mut self, call: &mut Call, caller_hung_up: bool) -> Continuation {
        if caller_hung_up {
            call.add_own_line(if call.is_end_requested() { "is hung up on" } else { "hangs up" });
        }
        for at in 0..self.legs.len() {
            self.disconnect(call, at);
        }
        let form = self.action_fields(call, caller_hung_up);
        let has_action = self.dial.action.address.is_some();
        // The pending requests of legs run concurrently with the request to the action.
        let pending = mem::take(&mut self.fetches).collect::<Vec<_>>();
        let replies = if caller_hung_up && has_action {
            let request = call.final_action(self.base, &self.dial.action, form.clone());
            join(call.fetch_and_discard(request), pending).await.1
        } else {
            pending.await
        };
        for (at, reply) in replies {
            self.handle_reply(call, at, reply);
        }
        let called = self.legs.into_iter().map(|leg| leg.record).filter(|leg| leg.status != "queued");
        call.record.legs.extend(called);
        match (caller_hung_up, has_action) {
            (true, _) => Continuation::End,
            (false, true) => Continuation::Fetch(call.action(self.base, &self.dial.action, form)),
            (false, false) => Continuation::NextVerb,
        }
    }

    /// The parameters of the action. A phone that was picked up but not bridged also counts as completed; `DialBridged`
    /// tells the difference. Source: Twilio, "TwiML: Dial", "Dial action request parameters".
    fn action_fields(&self, call: &Call, caller_hung_up: bool) -> Form {
        let at = self.bridge.as_ref().map_or(self.last_ended, |bridge| bridge.leg);
        let is_answered = self.legs.iter().any(|leg| leg.record.answered);
        let has_ended_with = |status: &&&str| self.legs.iter().any(|leg| leg.record.status == **status);
        let status = if is_answered {
            "completed"
        } else if caller_hung_up {
            "canceled"
        } else {
            ["no-answer", "busy", "failed"].iter().find(has_ended_with).copied().unwrap_or("no-answer")
        };
        let mut form = vec![("DialCallStatus", status.to_owned()), ("DialBridged", self.bridge.is_some().to_string())];
        if let Some(leg) = self.legs.get(at) {
            form.push(("DialCallSid", leg.entry.sid.clone()));
            let seconds = leg.answered_at.map(|since| call.at - since);
            form.extend(seconds.map(|seconds| ("DialCallDuration", seconds.to_string())));
        }
        form
    }
}
