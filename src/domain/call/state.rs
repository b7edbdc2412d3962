//! The state of a call as a reducer: events are applied to a [`CallState`], and nothing else changes it.
//!
//! Twilio's callbacks arrive late, repeatedly and in any order, so applying the same reports in any order, any number
//! of times, gives the same state. Only the requests for which Twilio waits (an accepted leg, the end of a Dial) are
//! applied in the order in which Twilio makes them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{CallFacts, merge_leg_state, status, was_picked_up};
use crate::domain::ringing::NotRung;
use crate::domain::{
    CallEnd, CallStage, CallStatus, CallerIdVerification, Direction, ExtensionId, LegState, NotRungReason, UserId,
    call::leg_report,
};

/// A call and its legs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallState {
    pub direction: Direction,
    /// Twilio's SID; `None` until it is known.
    pub sid: Option<String>,
    pub stage: CallStage,
    /// The number of documents that the caller was sent.
    pub step: i32,
    /// The number of wrong extensions that the caller dialed.
    pub wrong_extensions: i32,
    /// The extension that was dialed, and its user at that time.
    pub extension: Option<(ExtensionId, UserId)>,
    /// The SID of the leg that has the call: the first on which 1 was pressed.
    pub accepted_sid: Option<String>,
    pub answered_by: Option<UserId>,
    /// The user who started an outbound call.
    pub started_by: Option<UserId>,
    pub started_at: DateTime<Utc>,
    pub answered_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub end: Option<CallEnd>,
    pub has_voicemail: bool,
    pub duration_seconds: Option<i32>,
    /// Why Twilio rejected an outbound call.
    pub error_code: Option<String>,
    pub verification: Option<CallerIdVerification>,
    pub legs: Vec<Leg>,
    /// The users at the destination of the call whose phones never rang.
    pub not_rung: BTreeMap<UserId, NotRung>,
}

/// One phone's part in one step of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// `None` for the contact's phone.
    pub user: Option<UserId>,
    /// The step in which the phone rings.
    pub step: i32,
    pub sid: Option<String>,
    pub state: LegState,
    pub rang_at: DateTime<Utc>,
    pub picked_up_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_seconds: Option<i32>,
}

/// Something that happened in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// The caller was sent a document.
    Step(CallStep),
    /// The status of a leg became known.
    Leg(LegReport),
    /// A user pressed 1 and has the call.
    Accepted { step: i32, user: UserId, sid: String },
    /// The phones stopped ringing, or the conversation is over.
    DialEnded(DialResult),
    /// Whether the call has a voicemail.
    Recorded { has_voicemail: bool },
    /// The call is over, after so many seconds if the carrier reported them.
    Ended { end: CallEnd, seconds: Option<i32> },
    /// Twilio accepted an outbound call under this SID.
    SidAssigned(String),
    /// Twilio rejected an outbound call.
    Rejected { error_code: String },
}

/// A document that the caller was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallStep {
    /// The number of the document in the call, from 1.
    pub step: i32,
    /// `None` if the document does not change the stage.
    pub stage: Option<CallStage>,
    /// The number of wrong extensions dialed so far, if it is known.
    pub wrong_extensions: Option<i32>,
    pub extension: Option<(ExtensionId, UserId)>,
    /// The users whose phones start to ring.
    pub rings: Vec<UserId>,
    /// The users at the destination of the call whose phones may not ring now.
    pub not_rung: Vec<(UserId, NotRungReason)>,
    pub verification: Option<CallerIdVerification>,
}

/// The status of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegReport {
    /// The step of the call in which the phone rings.
    pub step: i32,
    /// `None` for the contact's phone.
    pub user: Option<UserId>,
    pub sid: Option<String>,
    pub state: LegState,
    /// Whether the leg has ended.
    pub has_ended: bool,
    pub seconds: Option<i32>,
}

impl LegReport {
    /// The status of a leg that has not ended.
    pub fn new(step: impl Into<i32>, user: Option<UserId>, sid: Option<String>, state: LegState) -> Self {
        Self { step: step.into(), user, sid, state, has_ended: false, seconds: None }
    }

    /// The same for a leg that has ended, after so many seconds if the carrier reported them.
    #[must_use]
    pub fn ended(self, seconds: Option<i32>) -> Self {
        Self { has_ended: true, seconds, ..self }
    }
}

/// The result of a Dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialResult {
    pub step: i32,
    pub extension: Option<(ExtensionId, UserId)>,
    /// Whether the caller was connected with a leg, see [`CallState::was_bridged`].
    pub bridged: bool,
    /// The SID of the leg that the result is about.
    pub leg_sid: Option<String>,
    /// The user whose phone was the only one that rang, and the `DialCallStatus` of that leg.
    pub single: Option<(UserId, String)>,
    /// The length of the conversation.
    pub seconds: Option<i32>,
}

impl CallState {
    /// A call that has just started.
    pub fn new(direction: Direction, now: DateTime<Utc>) -> Self {
        Self {
            direction,
            sid: None,
            stage: CallStage::Greeting,
            step: 0,
            wrong_extensions: 0,
            extension: None,
            accepted_sid: None,
            answered_by: None,
            started_by: None,
            started_at: now,
            answered_at: None,
            ended_at: None,
            end: None,
            has_voicemail: false,
            duration_seconds: None,
            error_code: None,
            verification: None,
            legs: Vec::new(),
            not_rung: BTreeMap::new(),
        }
    }

    pub fn status(&self) -> CallStatus {
        status(&CallFacts {
            direction: self.direction,
            stage: self.stage,
            answered: self.answered_at.is_some(),
            voicemail: self.has_voicemail,
            end: self.end,
        })
    }

    pub fn apply(&mut self, event: &CallEvent, now: DateTime<Utc>) {
        match event {
            CallEvent::Step(step) => self.apply_step(step, now),
            CallEvent::Leg(report) => self.apply_leg(report, now),
            CallEvent::Accepted { step, user, sid } => self.apply_accepted(*step, *user, sid, now),
            CallEvent::DialEnded(result) => self.apply_dial(result, now),
            CallEvent::Recorded { has_voicemail } => self.has_voicemail = *has_voicemail,
            CallEvent::Ended { end, seconds } => self.apply_end(*end, *seconds, now),
            CallEvent::SidAssigned(sid) => {
                self.sid.get_or_insert_with(|| sid.clone());
            }
            CallEvent::Rejected { error_code } => {
                self.error_code = Some(error_code.clone());
                self.apply_end(CallEnd::Failed, None, now);
            }
        }
        if self.end.is_some() {
            self.end_legs(now);
        }
        let legs = &self.legs;
        self.not_rung.retain(|user, _| !legs.iter().any(|leg| leg.user == Some(*user)));
    }

    /// Whether a user may still accept the call on a leg of this step: the phones ring, and the caller has not hung up.
    pub fn is_open_at(&self, step: i32) -> bool {
        self.end.is_none() && step >= self.step
    }

    /// The SID that has the call although its leg ended before the caller was connected. Another leg may take its
    /// place.
    pub fn lost_claim(&self) -> Option<&str> {
        let sid = self.accepted_sid.as_deref()?;
        let has_ended = |leg: &Leg| leg.sid.as_deref() == Some(sid) && leg.ended_at.is_some();
        self.legs.iter().any(has_ended).then_some(sid)
    }

    /// Whether a Dial connected the caller, by its `DialBridged` and `DialCallStatus`. Only a leg on which 1 was
    /// pressed can be connected, so without `DialBridged` a picked-up leg counts only if it has the call.
    pub fn was_bridged(&self, bridged: Option<bool>, status: Option<&str>) -> bool {
        bridged.unwrap_or_else(|| status.is_none_or(was_picked_up) && self.accepted_sid.is_some())
    }

    fn apply_step(&mut self, event: &CallStep, now: DateTime<Utc>) {
        self.set_extension(event.step, event.extension);
        self.verification = self.verification.or(event.verification);
        self.wrong_extensions = self.wrong_extensions.max(event.wrong_extensions.unwrap_or(0));
        // A late report of an earlier step does not change the caller's position.
        if event.step > self.step {
            self.step = event.step;
            self.stage = event.stage.unwrap_or(self.stage);
        }
        for user in &event.rings {
            self.apply_leg(&LegReport::new(event.step, Some(*user), None, LegState::Ringing), now);
        }
        for (user, reason) in &event.not_rung {
            let not_rung = NotRung { step: event.step, reason: *reason };
            // The earliest step counts, in any order of the reports.
            let known = self.not_rung.entry(*user).or_insert(not_rung);
            *known = not_rung.min(*known);
        }
    }

    fn set_extension(&mut self, step: i32, extension: Option<(ExtensionId, UserId)>) {
        if step >= self.step || self.extension.is_none() {
            self.extension = extension.or(self.extension);
        }
    }

    fn apply_leg(&mut self, report: &LegReport, now: DateTime<Utc>) {
        // The contact's phone requires no key, so it is connected when it is picked up.
        let state = match (report.user, report.state) {
            (None, LegState::PickedUp) => LegState::Connected,
            (_, state) => state,
        };
        let at = self.legs.iter().position(|leg| leg.step == report.step && leg.user == report.user);
        let at = at.unwrap_or_else(|| {
            self.legs.push(Leg {
                user: report.user,
                step: report.step,
                sid: None,
                state: LegState::Ringing,
                rang_at: now,
                picked_up_at: None,
                ended_at: None,
                duration_seconds: None,
            });
            self.legs.len() - 1
        });
        let leg = &mut self.legs[at];
        leg.state = merge_leg_state(leg.state, state);
        leg.sid = leg.sid.take().or_else(|| report.sid.clone());
        let was_picked_up = !matches!(
            state,
            LegState::Ringing | LegState::Canceled | LegState::NoAnswer | LegState::Busy | LegState::Failed
        );
        if was_picked_up {
            leg.picked_up_at = leg.picked_up_at.or(Some(now));
        }
        if report.has_ended {
            leg.ended_at = leg.ended_at.or(Some(now));
            leg.duration_seconds = report.seconds.or(leg.duration_seconds);
        }
        if report.user.is_none() {
            self.answered_at = self.answered_at.or(leg.picked_up_at);
        }
    }

    fn apply_accepted(&mut self, step: i32, user: UserId, sid: &str, now: DateTime<Utc>) {
        let is_same_user = self.answered_by == Some(user);
        self.answered_at = self.answered_at.filter(|_| is_same_user).or(Some(now));
        self.answered_by = Some(user);
        self.accepted_sid = Some(sid.to_owned());
        if step > self.step {
            self.step = step;
            self.stage = CallStage::Ringing;
        }
        self.apply_leg(&LegReport::new(step, Some(user), Some(sid.to_owned()), LegState::Accepted), now);
    }

    fn apply_dial(&mut self, result: &DialResult, now: DateTime<Utc>) {
        self.set_extension(result.step, result.extension);
        self.step = self.step.max(result.step);
        // Otherwise this repeats the result of an earlier step, and the caller has gone on since.
        let is_current = self.step == result.step;
        if is_current {
            self.stage = CallStage::Ringing;
        }
        if result.bridged {
            let is_known = |sid: &String| self.user_of(sid).is_some();
            let connected = result.leg_sid.clone().filter(is_known).or_else(|| self.accepted_sid.clone());
            let user = connected.as_ref().and_then(|sid| self.user_of(sid)).or(self.answered_by);
            let seconds = chrono::TimeDelta::seconds(result.seconds.unwrap_or(0).into());
            self.answered_at = self.answered_at.or(Some(now - seconds));
            self.answered_by = user;
            if user.is_some() {
                let report = LegReport::new(result.step, user, connected, LegState::Connected).ended(result.seconds);
                self.apply_leg(&report, now);
            }
        } else if is_current {
            // A user who pressed 1 was not connected after all.
            self.accepted_sid = None;
            self.answered_by = None;
            self.answered_at = None;
            if let Some((user, status)) = &result.single
                && let Some(state) = leg_report(status).filter(|state| *state != LegState::PickedUp)
            {
                let report = LegReport::new(result.step, Some(*user), result.leg_sid.clone(), state).ended(None);
                self.apply_leg(&report, now);
            }
        }
    }

    fn user_of(&self, sid: &str) -> Option<UserId> {
        self.legs.iter().find(|leg| leg.sid.as_deref() == Some(sid))?.user
    }

    fn apply_end(&mut self, end: CallEnd, seconds: Option<i32>, now: DateTime<Utc>) {
        self.end = Some(self.end.map_or(end, |known| if end_rank(end) > end_rank(known) { end } else { known }));
        let ended_at = *self.ended_at.get_or_insert(now);
        let lasted = i32::try_from((ended_at - self.started_at).num_seconds().max(0)).ok();
        self.duration_seconds = seconds.or(self.duration_seconds).or(lasted);
    }

    /// Ends the legs of a call that is over.
    fn end_legs(&mut self, now: DateTime<Utc>) {
        for leg in self.legs.iter_mut().filter(|leg| leg.ended_at.is_none()) {
            leg.state = merge_leg_state(leg.state, LegState::Canceled);
            leg.ended_at = Some(now);
        }
    }
}

/// A reason why nobody answered says more than the fact that the call was completed.
fn end_rank(end: CallEnd) -> u8 {
    match end {
        CallEnd::Completed => 0,
        CallEnd::NoAnswer => 1,
        CallEnd::Busy => 2,
        CallEnd::Canceled => 3,
        CallEnd::Failed => 4,
    }
}
