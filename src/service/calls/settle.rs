//! Writes what has become of a call, and tells whom it concerns: one place, whatever it was that became known.

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::rows::Legs;
use crate::domain::call::status;
use crate::domain::hours::is_quiet;
use crate::domain::missed_call_text::{Missed, PER_HOUR, may_text};
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::{CallEnd, CallStage, Direction, NotificationKind, PoolId, Purpose, RoutingRung, UserId};
use crate::entity::call;
use crate::service::compose::{Outgoing, queue, wishes};
use crate::service::own_numbers::holders_of;
use crate::store::bulk::insert;
use crate::store::directory_writes::save;
use crate::store::writer::{Notice, Tx};
use crate::store::{Directory, calls, contacts, messages, notifications, threads};

/// A voicemail comes a moment after the end of its call. Until then the call is not called missed.
const RECORDING_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// Notes that a call is over.
pub(super) fn end(tx: &Tx<'_>, call: &mut call::Model, end: CallEnd, seconds: Option<i32>) {
    // That somebody hung up says less than why nobody answered.
    if call.end.is_none() || end != CallEnd::Completed {
        call.end = Some(end);
    }
    let ended_at = *call.ended_at.get_or_insert(tx.now);
    let lasted = i32::try_from((ended_at - call.started_at).num_seconds().max(0)).ok();
    call.duration_seconds = seconds.or(call.duration_seconds).or(lasted);
}

/// Writes a call with its legs: status, event, notifications, and the text to a caller whom nobody answered.
pub(super) async fn settle(
    tx: &mut Tx<'_>,
    before: Option<call::Model>,
    mut after: call::Model,
    mut legs: Legs,
) -> Result<call::Model, DbErr> {
    after.status = status(&after.facts());
    let is_over = after.end.is_some();
    let is_missed = is_over && after.answered_at.is_none() && after.direction == Direction::Inbound;
    let had_voicemail = before.as_ref().is_some_and(|before| before.recorded);
    let left_voicemail = after.recorded && !had_voicemail;
    if had_voicemail && !after.recorded {
        // The only voicemail was withdrawn: the staff are notified of a missed call instead.
        after.told_at = None;
        let voicemail = NotificationKind::Voicemail;
        notifications::resolve_of_call(tx.conn, after.agency_id, after.id, voicemail, tx.now).await?;
    }
    if is_over {
        legs.end(tx.now);
        // A voicemail may still arrive, or the carrier holds one and does not answer.
        let may_come = is_missed && !after.recorded && after.stage == CallStage::Recording;
        let was_over = before.as_ref().is_some_and(|before| before.end.is_some());
        let until = if was_over {
            after.look_at
        } else {
            after.ended_at.map(|ended| ended + RECORDING_WITHIN).filter(|until| *until > tx.now)
        };
        after.look_at = until.filter(|_| may_come);
    }
    let directory = tx.directory(after.agency_id).await?;
    let was_told = after.told_at.is_some();
    let kind = if left_voicemail {
        Some(NotificationKind::Voicemail)
    } else {
        (is_missed && !was_told && after.look_at.is_none()).then_some(NotificationKind::MissedCall)
    };
    if kind.is_some() {
        after.told_at = after.told_at.or(Some(tx.now));
    }
    let changed = before.as_ref() != Some(&after) || legs.has_changed();
    match &before {
        None => insert(tx.conn, vec![after.clone()]).await?,
        Some(before) if *before != after => save(tx.conn, after.clone()).await?,
        Some(_) => {}
    }
    let (new, known) = legs.into_writes();
    insert(tx.conn, new).await?;
    for leg in known {
        save(tx.conn, leg).await?;
    }
    let answered = after.answered_at.is_some() && before.as_ref().is_none_or(|before| before.answered_at.is_none());
    if was_told && (left_voicemail || answered) {
        let missed = NotificationKind::MissedCall;
        notifications::resolve_of_call(tx.conn, after.agency_id, after.id, missed, tx.now).await?;
    }
    if changed {
        tx.call_updated(&after, kind.map(|kind| notice(&directory, &after, kind)).into_iter().collect())?;
    }
    if kind.is_some() && !was_told {
        text_back(tx, &directory, &mut after).await?;
    }
    Ok(after)
}

/// Whom a call concerns that nobody answered: the user of the extension, or everybody of the pool whom calls
/// reach, AWAY or not; and never nobody. The rung lets a default user see the call and opens nobody's texts to them.
pub(super) fn notice(directory: &Directory, call: &call::Model, kind: NotificationKind) -> Notice {
    let active = |id: UserId| directory.active_user(id).map(|user| user.id);
    let pool: Vec<UserId> = directory.hearers(call.phone_number_id).map(|user| user.id).collect();
    let (rung, users) = match (call.mailbox_user_id.and_then(active), directory.agency.default_user_id.and_then(active))
    {
        (Some(user), _) => (RoutingRung::Extension, vec![user]),
        (None, _) if !pool.is_empty() => (RoutingRung::Pool, pool),
        (None, Some(user)) => (RoutingRung::DefaultUser, vec![user]),
        (None, None) => (RoutingRung::Admins, directory.admins().map(|user| user.id).collect()),
    };
    Notice { kind, users, thread: call.thread_id, message: None, call: Some(call.id), rung: Some(rung) }
}

/// Queues the missed-call text if the number has one and the caller may get it. The transaction holds the agency's lock,
/// so of two simultaneous calls the second sees the text of the first.
async fn text_back(tx: &mut Tx<'_>, directory: &Directory, call: &mut call::Model) -> Result<(), DbErr> {
    let pool = directory.pool(PoolId::from(call.phone_number_id));
    let (Some(text), Some(thread)) = (pool.and_then(|pool| pool.missed_call_text.as_deref()), call.thread_id) else {
        return Ok(());
    };
    let Some(number) = directory.number(call.phone_number_id) else { return Ok(()) };
    let Some(thread) = threads::by_id(tx.conn, call.agency_id, thread).await? else { return Ok(()) };
    let Some(contact) = contacts::by_ids(tx.conn, call.agency_id, &[thread.contact_id]).await?.pop() else {
        return Ok(());
    };
    let holders = holders_of(tx.conn, &contact.phone).await?;
    let missed = Missed {
        caller: &contact.phone,
        number: &number.e164,
        is_own_number: is_forbidden_recipient(Purpose::MissedCall, call.twilio_account_id, &holders),
        countries: directory.calling_countries(),
        verification: call.caller_id_verification,
        wishes: wishes(&contact, &thread),
        is_quiet: is_quiet(&directory.time_zone(), tx.now),
        texts_in_an_hour: calls::missed_call_texts_since(tx.conn, number, tx.now - PER_HOUR).await?,
        last_text_at: calls::last_missed_call_text(tx.conn, call.agency_id, thread.id).await?,
        staff_wrote: messages::has_staff_text_since(tx.conn, call.agency_id, thread.id, call.started_at).await?,
    };
    if may_text(&missed, tx.now).is_err() {
        return Ok(());
    }
    call.missed_call_text_at = Some(tx.now);
    save(tx.conn, call.clone()).await?;
    let outgoing = Outgoing { body: text, from: None, extension: None, purpose: Purpose::MissedCall };
    queue(tx, thread, outgoing).await.map(drop)
}
