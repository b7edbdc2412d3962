//! The phones have stopped ringing: the conversation is over, or the caller goes on.

use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::rows::{Legs, Row, advance, find_or_begin, rings, set_extension};
use super::settle::{end, settle};
use super::{CallKey, LegNews, Progress, Reached, commit};
use crate::domain::call::{leg_report, was_picked_up};
use crate::domain::ivr::{Course, Happened, Heard, Plan, plan};
use crate::domain::{CallEnd, CallStage, LegState, UserId};
use crate::entity::call_leg;
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, WhenAway, WriteError};

/// A caller who is on the line does not wait longer for the database than this.
const PATIENCE: Duration = Duration::from_secs(4);

/// What the carrier says of a Dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialEnd {
    /// Whether the caller was connected with a leg; `None` where the carrier does not say.
    pub bridged: Option<bool>,
    /// Its `DialCallStatus`; `None` if the request does not have it.
    pub status: Option<String>,
    /// The leg that it speaks of.
    pub leg_sid: Option<String>,
    /// How long the conversation was.
    pub seconds: Option<i32>,
    /// How the call itself ended, if it has.
    pub caller_gone: Option<CallEnd>,
}

impl DialEnd {
    /// Whether the caller is on the line and has not talked to anybody. Without a status only the row knows whether there
    /// was a conversation.
    fn caller_waits(&self) -> bool {
        self.status.is_some() && self.bridged != Some(true) && self.caller_gone.is_none()
    }
}

/// Takes the end of a Dial and says how the caller goes on.
///
/// # Errors
/// When it could not be written, and the conversation was over: the carrier is to say so again. A caller who is
/// on the line goes on all the same.
pub async fn after_dial(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    course: Course,
    dial: DialEnd,
) -> Result<Plan, Fault> {
    let (agency, waits) = (key.agency, dial.caller_waits());
    let unit = AfterDial { reached: reached.clone(), key: key.clone(), course: course.clone(), dial };
    let taken = tokio::select! {
        taken = commit(services, agency, unit) => taken,
        () = services.clock.sleep(PATIENCE), if waits => Err(WriteError::Failed),
    };
    match taken {
        Ok(plan) => Ok(plan),
        Err(error) if waits => {
            tracing::error!(%error, "what became of a ringing was not written; the caller goes on");
            let now = services.clock.now();
            let happened = Happened::NotConnected { heard: &[] };
            Ok(plan(&reached.office_for(&key, now), &course, happened, now.timestamp()))
        }
        Err(error) => Err(error.into()),
    }
}

struct AfterDial {
    reached: Reached,
    key: CallKey,
    course: Course,
    dial: DialEnd,
}

impl Unit for AfterDial {
    type Output = Plan;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Plan, DbErr> {
        let mut rows = find_or_begin(tx, self.key.agency, &[&self.key]).await?;
        let Some(mut row) = rows.pop() else { return Ok(Plan::HangUp { say: None }) };
        let mut legs = Legs::of(tx, &row).await?;
        let step = i32::from(self.course.step);
        row.after.step = row.after.step.max(step);
        set_extension(&mut row.after, self.reached.extension_of(&self.course));
        // A repetition of what was taken already: the caller has gone on since.
        let is_last = row.after.step == step;
        if is_last {
            row.after.stage = CallStage::Ringing;
        }
        let bridged = self.hear(tx, &mut row, &mut legs, is_last);
        let heard = heard(&legs.rows, step);
        let happened = if bridged { Happened::Talked } else { Happened::NotConnected { heard: &heard } };
        let office = self.reached.office_for(&self.key, tx.now);
        let plan = plan(&office, &self.course, happened, tx.now.timestamp());
        if let Some(gone) = self.dial.caller_gone {
            end(tx, &mut row.after, gone, None);
        } else if is_last {
            let progress = Progress::of(&plan, &self.reached);
            if bridged {
                end(tx, &mut row.after, CallEnd::Completed, None);
            } else {
                advance(&mut row.after, &progress);
                for news in rings(&progress) {
                    legs.hear(tx, &news);
                }
            }
        }
        settle(tx, row.before, row.after, legs).await?;
        Ok(plan)
    }

    /// A caller who is on the line goes on at once, without what the phones did.
    fn when_away(&self) -> WhenAway {
        if self.dial.caller_waits() { WhenAway::Fail } else { WhenAway::Retry }
    }
}

impl AfterDial {
    /// Adds what the carrier says to the call and its legs. Tells whether the caller was connected.
    fn hear(&self, tx: &Tx<'_>, row: &mut Row, legs: &mut Legs, is_last: bool) -> bool {
        let (dial, step) = (&self.dial, i32::from(self.course.step));
        let accepted = row.after.accepted_sid.clone();
        // Only a leg on which 1 was pressed can be connected, whatever `completed` may mean otherwise.
        let was_picked_up = dial.status.as_deref().is_none_or(was_picked_up);
        let bridged = dial.bridged.unwrap_or(was_picked_up && accepted.is_some());
        let named = |sid: &Option<String>| sid.as_ref().and_then(|sid| user_of(&legs.rows, sid));
        if bridged {
            let connected = dial.leg_sid.clone().filter(|_| named(&dial.leg_sid).is_some()).or(accepted);
            let user = named(&connected).or(row.after.answered_by_id);
            let seconds = TimeDelta::seconds(dial.seconds.unwrap_or(0).into());
            row.after.answered_at = row.after.answered_at.or(Some(tx.now - seconds));
            row.after.answered_by_id = user;
            if let Some(user) = user {
                let news = LegNews::of(step, Some(user), connected, LegState::Connected).over(dial.seconds);
                legs.hear(tx, &news);
            }
        } else if is_last {
            // Whoever had pressed 1 was not connected after all.
            row.after.accepted_sid = None;
            row.after.answered_by_id = None;
            row.after.answered_at = None;
            // Of a single phone the carrier says how it took it.
            let single = self.course.ring.as_ref().and_then(|ring| match ring.users.as_slice() {
                [user] => Some(*user),
                _ => None,
            });
            if let Some((user, state)) = single.zip(dial.status.as_deref().and_then(leg_report))
                && state != LegState::PickedUp
            {
                legs.hear(tx, &LegNews::of(step, Some(user), dial.leg_sid.clone(), state).over(None));
            }
        }
        bridged
    }
}

fn user_of(legs: &[call_leg::Model], sid: &str) -> Option<UserId> {
    legs.iter().find(|leg| leg.provider_sid.as_deref() == Some(sid))?.user_id
}

/// How the phones of a step took it.
fn heard(legs: &[call_leg::Model], step: i32) -> Vec<(UserId, Heard)> {
    let of_step = legs.iter().filter(|leg| leg.step == step);
    of_step
        .filter_map(|leg| {
            let how = match leg.state {
                LegState::Ringing => return None,
                LegState::Canceled => Heard::CutOff,
                LegState::NoAnswer | LegState::Busy | LegState::Failed => Heard::ToTheEnd,
                LegState::PickedUp
                | LegState::Declined
                | LegState::AlreadyTaken
                | LegState::Accepted
                | LegState::Connected => Heard::PickedUp,
            };
            Some((leg.user_id?, how))
        })
        .collect()
}
