//! Records events of calls: applies them to the state, and writes the call, its legs, its event and its notifications.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::missed_call::{notice, send_missed_call_text};
use super::rows::CallRow;
use crate::domain::call::{CallEvent, CallState, Leg};
use crate::domain::inbound::is_late;
use crate::domain::{CallLegId, CallStage, Direction, NotificationKind};
use crate::entity::{call, call_leg};
use crate::store::bulk::insert;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, UnitError};
use crate::store::{calls, notifications};

/// How long after the end of a call a voicemail may still arrive. Until then the call is not reported as missed.
const VOICEMAIL_TIMEOUT: TimeDelta = TimeDelta::seconds(60);

/// A call with its stored legs, and the state to which events are applied.
pub(super) struct RecordedCall {
    row: CallRow,
    legs: Vec<call_leg::Model>,
    pub(super) state: CallState,
    /// Whether the call is imported from the carrier's list.
    is_imported: bool,
}

impl RecordedCall {
    pub(super) async fn load(tx: &Tx<'_>, row: CallRow) -> Result<Self, DbErr> {
        let legs = match &row.before {
            Some(call) => calls::legs_of(tx.conn, call.agency_id, &[call.id]).await?,
            None => Vec::new(),
        };
        let state = row.after.state(&legs);
        Ok(Self { row, legs, state, is_imported: false })
    }

    /// A call that is imported from the carrier's list.
    pub(super) fn import(row: CallRow) -> Self {
        let state = row.after.state(&[]);
        Self { row, legs: Vec::new(), state, is_imported: true }
    }

    pub(super) fn before(&self) -> Option<&call::Model> {
        self.row.before.as_ref()
    }

    /// The row of the call, without the events that were applied since it was loaded.
    pub(super) fn row(&self) -> &call::Model {
        &self.row.after
    }

    pub(super) fn apply(&mut self, tx: &Tx<'_>, event: &CallEvent) {
        self.apply_at(event, tx.now);
    }

    /// Applies an event of the past.
    pub(super) fn apply_at(&mut self, event: &CallEvent, at: DateTime<Utc>) {
        self.state.apply(event, at);
    }

    /// The legs to insert, and those to update.
    fn leg_writes(&self, tx: &Tx<'_>) -> (Vec<call_leg::Model>, Vec<call_leg::Model>) {
        let call = &self.row.after;
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for leg in &self.state.legs {
            let stored = self.legs.iter().find(|row| row.step == leg.step && row.user_id == leg.user);
            let row_with = |id, leg: Leg| call_leg::Model::of(call.agency_id, call.id, id, leg);
            match stored {
                None => new.push(row_with(CallLegId(tx.new_id()), leg.clone())),
                Some(row) if row.leg() != *leg => changed.push(row_with(row.id, leg.clone())),
                Some(_) => {}
            }
        }
        (new, changed)
    }

    /// A new call that needs nothing but its rows: the caller has not gone yet.
    pub(super) fn is_new_and_open(&self) -> bool {
        self.row.before.is_none() && self.state.end.is_none() && !self.state.has_voicemail
    }
}

/// Applies events to a call and writes it.
pub(super) async fn record(tx: &mut Tx<'_>, row: CallRow, events: &[CallEvent]) -> Result<call::Model, UnitError> {
    let mut call = RecordedCall::load(tx, row).await?;
    for event in events {
        call.apply(tx, event);
    }
    write(tx, call).await
}

/// Inserts new calls, in a constant number of statements.
pub(super) async fn insert_new(tx: &mut Tx<'_>, new: Vec<RecordedCall>) -> Result<(), DbErr> {
    let legs = new.iter().flat_map(|call| call.leg_writes(tx).0).collect();
    let rows: Vec<call::Model> = new
        .into_iter()
        .map(|RecordedCall { mut row, state, .. }| {
            row.after.set_state(&state);
            row.after
        })
        .collect();
    insert(tx.conn, rows.clone()).await?;
    insert(tx.conn, legs).await?;
    for call in &rows {
        tx.call_updated(call, Vec::new())?;
    }
    Ok(())
}

/// Writes a call to which events were applied: its rows, its event, its notifications, and the missed-call text.
pub(super) async fn write(tx: &mut Tx<'_>, call: RecordedCall) -> Result<call::Model, UnitError> {
    let (new_legs, changed_legs) = call.leg_writes(tx);
    let RecordedCall { row: CallRow { before, mut after }, state, is_imported, .. } = call;
    after.set_state(&state);
    let was_notified = withdraw_voicemail_notifications(tx, before.as_ref(), &mut after).await?;
    after.look_at = next_check(tx, before.as_ref(), &after);
    let kind = notification_kind(before.as_ref(), &after, was_notified);
    if kind.is_some() {
        after.told_at = after.told_at.or(Some(tx.now));
    }
    let is_changed = before.as_ref() != Some(&after) || !new_legs.is_empty() || !changed_legs.is_empty();
    match &before {
        None => insert(tx.conn, vec![after.clone()]).await?,
        Some(before) if *before != after => save(tx.conn, after.clone()).await?,
        Some(_) => {}
    }
    insert(tx.conn, new_legs).await?;
    for leg in changed_legs {
        save(tx.conn, leg).await?;
    }
    let was_answered = before.as_ref().is_some_and(|before| before.answered_at.is_some());
    let is_newly_answered = after.answered_at.is_some() && !was_answered;
    if was_notified && (kind == Some(NotificationKind::Voicemail) || is_newly_answered) {
        let missed = NotificationKind::MissedCall;
        notifications::resolve_of_call(tx.conn, after.agency_id, after.id, missed, tx.now).await?;
    }
    let directory = tx.directory(after.agency_id).await?;
    if is_changed {
        tx.call_updated(&after, kind.map(|kind| notice(&directory, &after, kind)).into_iter().collect())?;
    }
    if kind.is_some() && !was_notified {
        let is_late = is_imported && after.ended_at.is_some_and(|ended| is_late(ended, tx.now));
        send_missed_call_text(tx, &directory, &mut after, is_late).await?;
    }
    Ok(after)
}

/// Resolves the notifications of a call whose only voicemail was withdrawn, so that users are notified of a missed call
/// instead. Returns whether users have been notified of this call.
async fn withdraw_voicemail_notifications(
    tx: &Tx<'_>,
    before: Option<&call::Model>,
    after: &mut call::Model,
) -> Result<bool, DbErr> {
    if before.is_some_and(|before| before.recorded) && !after.recorded {
        after.told_at = None;
        let voicemail = NotificationKind::Voicemail;
        notifications::resolve_of_call(tx.conn, after.agency_id, after.id, voicemail, tx.now).await?;
    }
    Ok(after.told_at.is_some())
}

fn is_missed(call: &call::Model) -> bool {
    call.end.is_some() && call.answered_at.is_none() && call.direction == Direction::Inbound
}

/// When the carrier is asked about the call; `None` if everything is known. After a missed call, a voicemail may still
/// arrive.
fn next_check(tx: &Tx<'_>, before: Option<&call::Model>, after: &call::Model) -> Option<DateTime<Utc>> {
    if after.end.is_none() {
        return after.look_at;
    }
    let may_get_voicemail = is_missed(after) && !after.recorded && after.stage == CallStage::Recording;
    let was_over = before.is_some_and(|before| before.end.is_some());
    let until = if was_over {
        after.look_at
    } else {
        after.ended_at.map(|ended| ended + VOICEMAIL_TIMEOUT).filter(|until| *until > tx.now)
    };
    until.filter(|_| may_get_voicemail)
}

fn notification_kind(
    before: Option<&call::Model>,
    after: &call::Model,
    was_notified: bool,
) -> Option<NotificationKind> {
    if after.recorded && !before.is_some_and(|before| before.recorded) {
        return Some(NotificationKind::Voicemail);
    }
    (is_missed(after) && !was_notified && after.look_at.is_none()).then_some(NotificationKind::MissedCall)
}
