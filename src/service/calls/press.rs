//! A key was pressed on a phone that rang. Of any number who press 1 exactly one has the call: by one
//! conditional write, durable before the answer.

use sea_orm::DbErr;

use super::rows::{Legs, Row, find_or_begin};
use super::settle::settle;
use super::{CallKey, LegNews, commit};
use crate::domain::ivr::{LegPlan, answer_press};
use crate::domain::{LegState, UserId};
use crate::service::{Fault, Services};
use crate::store::calls;
use crate::store::writer::{Tx, Unit, WhenAway};

/// Takes a press and says what the phone is to do.
///
/// # Errors
/// When it could not be written: nobody has the call by it.
pub async fn press(
    services: &Services,
    key: CallKey,
    (step, user, sid): (u8, UserId, String),
    digits: &str,
) -> Result<LegPlan, Fault> {
    let agency = key.agency;
    let wants = digits == "1";
    let won = commit(services, agency, Press { key, step: step.into(), user, sid, wants }).await?;
    Ok(answer_press(digits, wants.then_some(won)))
}

struct Press {
    key: CallKey,
    step: i32,
    user: UserId,
    sid: String,
    wants: bool,
}

impl Unit for Press {
    type Output = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, DbErr> {
        let Some(mut row) = find_or_begin(tx, self.key.agency, &[&self.key]).await?.pop() else { return Ok(false) };
        let mut legs = Legs::of(tx, &row).await?;
        // The phones ring no more, or the caller has gone: who presses now comes too late.
        let is_open = row.after.end.is_none() && self.step >= row.after.step;
        let won = self.wants && is_open && self.claim(tx, &mut row, &legs).await?;
        let state = match (self.wants, won) {
            (true, true) => LegState::Accepted,
            (true, false) => LegState::AlreadyTaken,
            (false, _) => LegState::Declined,
        };
        legs.hear(tx, &LegNews::of(self.step, Some(self.user), Some(self.sid.clone()), state));
        if won {
            row.after.step = row.after.step.max(self.step);
            row.after.answered_by_id = Some(self.user);
            let is_theirs = row.before.as_ref().is_some_and(|before| before.answered_by_id == Some(self.user));
            row.after.answered_at = row.after.answered_at.filter(|_| is_theirs).or(Some(tx.now));
        }
        settle(tx, row.before, row.after, legs).await?;
        Ok(won)
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

impl Press {
    async fn claim(&self, tx: &Tx<'_>, row: &mut Row, legs: &Legs) -> Result<bool, DbErr> {
        let Some(before) = &row.before else {
            // The row is made with the claim in it.
            row.after.accepted_sid = Some(self.sid.clone());
            return Ok(true);
        };
        // A claim whose leg has gone before the caller was connected with it is nobody's.
        let gone = |sid: &&str| {
            legs.rows.iter().any(|leg| leg.provider_sid.as_deref() == Some(*sid) && leg.ended_at.is_some())
        };
        let stale = before.accepted_sid.as_deref().filter(gone);
        let won = calls::claim(tx.conn, before, &self.sid, stale).await?;
        if won {
            row.after.accepted_sid = Some(self.sid.clone());
        }
        Ok(won)
    }
}
