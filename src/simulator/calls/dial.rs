//! A Dial: its phones ring, hear their documents, and one of them is bridged.
//! Source: Twilio, "TwiML: Dial"; "TwiML: Number".

use std::collections::VecDeque;
use std::mem;

use futures_util::future::{BoxFuture, join};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::super::settings::Legs;
use super::super::webhook::Form;
use super::book::Entry;
use super::callbacks::Callback;
use super::caller_id::is_accepted;
use super::record::LegRecord;
use super::run::{Call, Question, Reply, Then, ask, resolve};
use super::script::{Person, PhoneScript};
use super::twiml::{self, Dial, Number, Verb};
use super::walk::{Next, Stretch, walk};

enum Phase {
    /// Its turn has not come.
    Waiting,
    /// Until it is picked up, or ends with this status.
    Ringing(Result<Person, &'static str>),
    /// Hears a document that began at that second.
    Listening(u32, Stretch),
    /// Its next document is asked for.
    Asking,
    Bridged,
    Over,
}

struct Leg {
    number: Number,
    entry: Entry,
    phase: Phase,
    /// When this phase is over, if it is one that ends by itself.
    due: u32,
    person: Option<Person>,
    verbs: VecDeque<Verb>,
    /// Where its last document came from.
    base: String,
    picked_up: Option<u32>,
    reported: usize,
    record: LegRecord,
}

impl Leg {
    fn is_due(&self, now: u32) -> bool {
        matches!(self.phase, Phase::Ringing(_) | Phase::Listening(..)) && self.due <= now
    }
}

/// Two who talk.
struct Bridge {
    leg: usize,
    until: u32,
    /// Whether it is the caller who ends it.
    caller_ends: bool,
}

struct Dialling<'a> {
    dial: &'a Dial,
    base: &'a str,
    legs: Vec<Leg>,
    asking: FuturesUnordered<BoxFuture<'static, (usize, Reply)>>,
    bridge: Option<Bridge>,
    last_over: usize,
}

impl Call {
    /// Calls phones until the caller or one of them has had enough.
    pub(super) async fn dial(&mut self, dial: Dial, base: &str) -> Then {
        let from = dial.caller_id.clone().unwrap_or_else(|| self.entry.from.clone());
        if from != self.entry.from && from != self.entry.to && !self.account.has(&from) {
            self.wrong(format!("13214 Dial: Invalid callerId value: {from}"));
            return Then::Over;
        }
        let legs = dial.numbers.iter().map(|number| self.leg(&from, number)).collect();
        let leaves_at = self.person.at_dial().map(|after| self.at + after);
        let asking = FuturesUnordered::new();
        let mut dialling = Dialling { dial: &dial, base, legs, asking, bridge: None, last_over: 0 };
        let has_left = dialling.go(self, leaves_at).await;
        dialling.end(self, has_left).await
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
            picked_up: None,
            reported: 0,
            record,
        }
    }
}

impl Dialling<'_> {
    /// Until it is over; gives whether the caller has left.
    async fn go(&mut self, call: &mut Call, leaves_at: Option<u32>) -> bool {
        loop {
            self.start(call);
            while let Some(at) = self.legs.iter().position(|leg| leg.is_due(call.at)) {
                self.step(call, at);
                self.start(call);
            }
            self.end_asked_for(call);
            if call.is_to_end() || leaves_at.is_some_and(|at| at <= call.at) {
                return true;
            }
            match &self.bridge {
                Some(bridge) if bridge.until <= call.at => return bridge.caller_ends,
                Some(bridge) if self.is_over(bridge.leg) => return false,
                None if (0..self.legs.len()).all(|at| self.is_over(at)) => return false,
                _ => {}
            }
            // The seconds stand still while documents are asked for.
            if let Some((at, reply)) = self.asking.next().await {
                self.reply(call, at, reply);
                continue;
            }
            let is_to_come = self.bridge.is_some() || self.legs.iter().any(|leg| leg.is_due(u32::MAX));
            if !is_to_come {
                return false;
            }
            // By seconds, in each of which the API may end a leg.
            call.wait(1).await;
        }
    }

    fn is_over(&self, at: usize) -> bool {
        self.legs.get(at).is_none_or(|leg| matches!(leg.phase, Phase::Over))
    }

    fn end_asked_for(&mut self, call: &mut Call) {
        for at in 0..self.legs.len() {
            if self.legs.get(at).is_some_and(|leg| call.carrier.calls.is_to_end(&leg.entry.sid)) {
                self.cut(call, at);
            }
        }
    }

    /// Lets those ring whose turn it is: all, or the next one.
    fn start(&mut self, call: &mut Call) {
        let is_waiting = |leg: &Leg| matches!(leg.phase, Phase::Waiting);
        while self.bridge.is_none()
            && let Some(at) = self.legs.iter().position(is_waiting)
        {
            let is_busy = self.legs.iter().any(|leg| !matches!(leg.phase, Phase::Waiting | Phase::Over));
            if self.dial.sequential && is_busy {
                break;
            }
            self.ring(call, at);
        }
    }

    fn ring(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        call.carrier.calls.add(leg.entry.clone());
        let phone =
            if is_accepted(&leg.entry.from) { call.carrier.calls.phone(&leg.entry.to) } else { PhoneScript::Failed };
        let ring = phone.called(self.dial.timeout);
        (leg.phase, leg.due) = (Phase::Ringing(ring.ends), call.at + ring.after);
        self.report(call, at, "initiated", "initiated");
        if ring.rings {
            self.report(call, at, "ringing", "ringing");
            self.line(call, at, "rings");
        }
    }

    fn line(&self, call: &mut Call, at: usize, what: &str) {
        if let Some(leg) = self.legs.get(at) {
            call.line(call.at, &leg.entry.to, what);
        }
    }

    /// Reports an event of a leg, if it was asked for.
    fn report(&mut self, call: &mut Call, at: usize, event: &str, status: &'static str) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.record.status = status.to_owned();
        let seconds = (event == "completed").then(|| leg.picked_up.map_or(0, |since| call.at - since));
        let now = call.carrier.clock.now();
        call.carrier.calls.change(&leg.entry.sid, status, seconds, now);
        let Some(address) = &leg.number.callback.address else { return };
        if leg.number.events.iter().any(|wanted| wanted == event) {
            let form = leg.entry.progress(status, seconds, leg.reported, now);
            leg.reported += 1;
            let (address, method) = (resolve(self.base, Some(address)), leg.number.callback.method);
            call.callbacks.send(&leg.entry.sid, Callback { address, method, form });
        }
    }

    /// What has been going on at a phone is over.
    fn step(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        match mem::replace(&mut leg.phase, Phase::Over) {
            Phase::Ringing(Ok(person)) => {
                leg.person = Some(person);
                self.pick_up(call, at);
            }
            Phase::Ringing(Err(status)) => self.over(call, at, status),
            Phase::Listening(since, stretch) => {
                self.heard(call, at, since, stretch.lines);
                match stretch.next {
                    Next::Ask(request, form) => {
                        let Some(leg) = self.legs.get(at) else { return };
                        let address = resolve(&leg.base, request.address.as_deref());
                        self.ask(call, at, Question { address, method: request.method, form });
                    }
                    Next::End => self.ready(call, at),
                    Next::Left => {
                        self.line(call, at, "hangs up");
                        self.over(call, at, "completed");
                    }
                    // Nothing else comes from a document that is for a phone.
                    _ => {
                        self.line(call, at, "is hung up on");
                        self.over(call, at, "completed");
                    }
                }
            }
            phase => leg.phase = phase,
        }
    }

    fn pick_up(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.picked_up = Some(call.at);
        leg.record.answered = true;
        let screening = leg.number.screening.clone();
        self.line(call, at, "answers");
        self.report(call, at, "answered", "in-progress");
        if call.legs == Legs::Cancel {
            self.cut_others(call, at);
        }
        match screening.address {
            Some(address) => {
                let address = resolve(self.base, Some(&address));
                self.ask(call, at, Question { address, method: screening.method, form: Form::new() });
            }
            None => self.ready(call, at),
        }
    }

    fn ask(&mut self, call: &mut Call, at: usize, mut question: Question) {
        if !call.may_ask() {
            return self.over(call, at, "completed");
        }
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.phase = Phase::Asking;
        question.form.extend(leg.entry.fields("in-progress"));
        let asking = ask(call.carrier.clone(), call.account.clone(), leg.entry.sid.clone(), question);
        self.asking.push(Box::pin(async move { (at, asking.await) }));
    }

    /// A document has come, perhaps for a phone that is no longer there: what was asked in the last
    /// moment is answered all the same, and tells whether two were promised the same caller.
    fn reply(&mut self, call: &mut Call, at: usize, reply: Reply) {
        call.record.documents.push(reply.document);
        let Some(leg) = self.legs.get_mut(at) else { return };
        let is_there = matches!(leg.phase, Phase::Asking);
        leg.base = reply.address;
        leg.verbs = match twiml::read_screening(reply.answer.as_ref()) {
            Ok(verbs) => verbs,
            Err(error) => {
                call.wrong(error);
                if is_there {
                    self.line(call, at, "is hung up on");
                    self.over(call, at, "completed");
                }
                return;
            }
        };
        let on_line = leg.picked_up.map_or(0, |since| call.at - since);
        let Some(person) = &mut leg.person else { return };
        let stretch = walk(&mut leg.verbs, person, Some(on_line));
        if is_there {
            leg.due = call.at + stretch.takes;
            leg.phase = Phase::Listening(call.at, stretch);
        } else {
            leg.record.accepted |= stretch.next == Next::End;
            self.heard(call, at, call.at, stretch.lines);
        }
    }

    fn heard(&mut self, call: &mut Call, at: usize, since: u32, lines: impl IntoIterator<Item = (u32, String)>) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        for (after, what) in lines {
            if let Some(words) = what.strip_prefix("hears: ") {
                leg.record.heard.push(words.trim_matches('"').to_owned());
            }
            call.line(since + after, &leg.entry.to, what);
        }
    }

    /// A phone's document has ended: it is bridged, if it is the first.
    fn ready(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        leg.record.accepted = true;
        if self.bridge.is_some() {
            return self.over(call, at, "completed");
        }
        leg.phase = Phase::Bridged;
        leg.record.bridged = true;
        let leg_talks = leg.person.as_ref().map_or(0, |person| person.talk);
        let lasts = call.person.talk.min(leg_talks).min(self.dial.time_limit);
        let caller_ends = call.person.talk == lasts && lasts < self.dial.time_limit;
        self.bridge = Some(Bridge { leg: at, until: call.at + lasts, caller_ends });
        call.answer(call.at);
        self.line(call, at, "bridged");
        self.cut_others(call, at);
    }

    /// Ends every phone but this one.
    fn cut_others(&mut self, call: &mut Call, kept: usize) {
        for at in (0..self.legs.len()).filter(|at| *at != kept) {
            self.cut(call, at);
        }
    }

    fn cut(&mut self, call: &mut Call, at: usize) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        let status = match mem::replace(&mut leg.phase, Phase::Over) {
            Phase::Waiting | Phase::Over => return,
            Phase::Ringing(_) => "canceled",
            Phase::Listening(since, stretch) => {
                let until = call.at;
                let lines = stretch.lines.into_iter().filter(|(after, _)| since + after <= until);
                self.heard(call, at, since, lines);
                "completed"
            }
            Phase::Asking | Phase::Bridged => "completed",
        };
        self.over(call, at, status);
    }

    fn over(&mut self, call: &mut Call, at: usize, status: &'static str) {
        if let Some(leg) = self.legs.get_mut(at) {
            leg.phase = Phase::Over;
            self.last_over = at;
            self.report(call, at, "completed", status);
            self.line(call, at, &format!("ends: {status}"));
        }
    }

    /// Ends what is left, and asks the action.
    async fn end(mut self, call: &mut Call, has_left: bool) -> Then {
        if has_left {
            call.own_line(if call.is_to_end() { "is hung up on" } else { "hangs up" });
        }
        for at in 0..self.legs.len() {
            self.cut(call, at);
        }
        let form = self.outcome(call, has_left);
        let has_action = self.dial.action.address.is_some();
        // What phones have asked in the last moment is under way at the same time as the action.
        let asking = mem::take(&mut self.asking).collect::<Vec<_>>();
        let late = if has_left && has_action {
            let question = call.last_action(self.base, &self.dial.action, form.clone());
            join(call.ask_in_vain(question), asking).await.1
        } else {
            asking.await
        };
        for (at, reply) in late {
            self.reply(call, at, reply);
        }
        let called = self.legs.into_iter().map(|leg| leg.record).filter(|leg| leg.status != "queued");
        call.record.legs.extend(called);
        match (has_left, has_action) {
            (true, _) => Then::Over,
            (false, true) => Then::Ask(call.action(self.base, &self.dial.action, form)),
            (false, false) => Then::Goes,
        }
    }

    /// Source: Twilio, "TwiML: Dial", "Dial action request parameters". A phone that was picked up and
    /// not bridged counts as completed, too; `DialBridged` tells the difference.
    fn outcome(&self, call: &Call, has_left: bool) -> Form {
        let at = self.bridge.as_ref().map_or(self.last_over, |bridge| bridge.leg);
        let is_answered = self.legs.iter().any(|leg| leg.record.answered);
        let ended_so = |status: &&&str| self.legs.iter().any(|leg| leg.record.status == **status);
        let status = if is_answered {
            "completed"
        } else if has_left {
            "canceled"
        } else {
            ["no-answer", "busy", "failed"].iter().find(ended_so).copied().unwrap_or("no-answer")
        };
        let mut form = vec![("DialCallStatus", status.to_owned()), ("DialBridged", self.bridge.is_some().to_string())];
        if let Some(leg) = self.legs.get(at) {
            form.push(("DialCallSid", leg.entry.sid.clone()));
            let seconds = leg.picked_up.map(|since| call.at - since);
            form.extend(seconds.map(|seconds| ("DialCallDuration", seconds.to_string())));
        }
        form
    }
}
