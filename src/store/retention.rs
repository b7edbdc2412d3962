//! Old rows: finding them, and deleting them with everything that refers to them.
//!
//! Rows are found by their primary keys, because ids grow with time, so that the tables that grow fastest need no index
//! for it. Rows are found on a reading connection; the deletion checks them again under the agency's lock.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Select, TryGetable,
};
use uuid::Uuid;

use super::bulk::padded_list;
use super::statements::{Kind, Statements, change, find};
use crate::domain::access::STAND_IN_RUNGS;
use crate::domain::retention::first_id_at;
use crate::domain::{
    ActivityId, AgencyId, CallId, Direction, LateArrivalId, MediaId, MediaState, MessageId, NotificationId,
    QuarantineId, QuarantineState, ThreadId, UserId, VoicemailId,
};
use crate::entity::{
    activity, agency, agency_position, call, call_leg, delivery_step, event, late_arrival, media, message,
    notification, outbox, quarantine, read_mark, thread, voicemail,
};

/// A range of old rows in the order of their ids.
#[derive(Debug, Clone, Copy)]
pub struct OldRows {
    pub agency: AgencyId,
    /// Rows up to this id have been looked at.
    pub after: Uuid,
    /// Only rows that were created before this time.
    pub before: DateTime<Utc>,
    pub limit: u64,
}

/// All agencies, in the order of their ids.
pub async fn agencies(conn: &impl ConnectionTrait) -> Result<Vec<agency::Model>, DbErr> {
    agency::Entity::find().order_by_asc(agency::Column::Id).all(conn).await
}

async fn ids<E, T>(
    conn: &impl ConnectionTrait,
    rows: &OldRows,
    (agency, id): (E::Column, E::Column),
    condition: Condition,
) -> Result<Vec<T>, DbErr>
where
    E: EntityTrait,
    T: TryGetable + Send,
{
    let query: Select<E> = E::find();
    query
        .select_only()
        .column(id)
        .filter(agency.eq(rows.agency))
        .filter(id.gt(rows.after))
        .filter(id.lt(first_id_at(rows.before)))
        .filter(condition)
        .order_by_asc(id)
        .limit(rows.limit)
        .into_tuple()
        .all(conn)
        .await
}

/// Messages. The time is checked too, because an imported message is dated by the carrier.
pub async fn messages(conn: &impl ConnectionTrait, rows: &OldRows) -> Result<Vec<MessageId>, DbErr> {
    use message::Column as M;
    ids::<message::Entity, _>(conn, rows, (M::AgencyId, M::Id), Condition::all().add(M::CreatedAt.lt(rows.before)))
        .await
}

/// Calls that have ended.
pub async fn calls(conn: &impl ConnectionTrait, rows: &OldRows) -> Result<Vec<CallId>, DbErr> {
    use call::Column as C;
    let ended = Condition::all().add(C::StartedAt.lt(rows.before)).add(C::EndedAt.is_not_null());
    ids::<call::Entity, _>(conn, rows, (C::AgencyId, C::Id), ended).await
}

/// Entries of the histories of threads.
pub async fn activities(conn: &impl ConnectionTrait, rows: &OldRows) -> Result<Vec<ActivityId>, DbErr> {
    use activity::Column as A;
    ids::<activity::Entity, _>(conn, rows, (A::AgencyId, A::Id), Condition::all()).await
}

/// Notifications about threads and calls, read or not.
pub async fn notifications(conn: &impl ConnectionTrait, rows: &OldRows) -> Result<Vec<NotificationId>, DbErr> {
    use notification::Column as N;
    let about = Condition::any().add(N::ThreadId.is_not_null()).add(N::CallId.is_not_null());
    ids::<notification::Entity, _>(conn, rows, (N::AgencyId, N::Id), about).await
}

/// Notifications that a user has read, except those that give the user access to a thread or call.
pub async fn read_notifications(
    conn: &impl ConnectionTrait,
    rows: &OldRows,
    user: UserId,
) -> Result<Vec<NotificationId>, DbErr> {
    use notification::Column as N;
    let no_access = Condition::any().add(N::Rung.is_null()).add(N::Rung.is_not_in(STAND_IN_RUNGS));
    let read = Condition::all().add(N::UserId.eq(user)).add(N::ReadAt.is_not_null()).add(no_access);
    ids::<notification::Entity, _>(conn, rows, (N::AgencyId, N::Id), read).await
}

/// Attachments whose files are stored or still to be fetched.
pub async fn media(conn: &impl ConnectionTrait, rows: &OldRows) -> Result<Vec<MediaId>, DbErr> {
    use media::Column as M;
    ids::<media::Entity, _>(conn, rows, (M::AgencyId, M::Id), has_file(M::State, M::Digest)).await
}

/// Voicemails whose recordings are stored or still to be fetched, or that have a transcript.
pub async fn voicemails(conn: &impl ConnectionTrait, rows: &OldRows) -> Result<Vec<VoicemailId>, DbErr> {
    use voicemail::Column as V;
    let content = Condition::any().add(has_file(V::State, V::Digest)).add(V::Transcript.is_not_null());
    let condition = Condition::all().add(V::AbsentAt.is_null()).add(content);
    ids::<voicemail::Entity, _>(conn, rows, (V::AgencyId, V::Id), condition).await
}

fn has_file<C: ColumnTrait>(state: C, digest: C) -> Condition {
    Condition::any().add(state.is_in([MediaState::Pending, MediaState::Ready])).add(digest.is_not_null())
}

/// Reports of late arrivals.
pub async fn late_arrivals(conn: &impl ConnectionTrait, rows: &OldRows) -> Result<Vec<late_arrival::Model>, DbErr> {
    use late_arrival::Column as L;
    let query = late_arrival::Entity::find().filter(L::AgencyId.eq(rows.agency)).filter(L::CreatedAt.lt(rows.before));
    query.order_by_asc(L::Id).limit(rows.limit).all(conn).await
}

/// The notifications about these reports. A report and its notifications are created at the same time.
pub async fn notifications_of_late_arrivals(
    conn: &impl ConnectionTrait,
    reports: &[late_arrival::Model],
) -> Result<Vec<NotificationId>, DbErr> {
    use notification::Column as N;
    let mut found = Vec::new();
    for report in reports {
        let query = notification::Entity::find()
            .select_only()
            .column(N::Id)
            .filter(N::AgencyId.eq(report.agency_id))
            .filter(N::Id.gte(first_id_at(report.created_at)))
            .filter(N::Id.lt(first_id_at(report.created_at + TimeDelta::seconds(1))))
            .filter(N::NodeId.eq(report.id.to_string()));
        found.extend(query.into_tuple::<NotificationId>().all(conn).await?);
    }
    Ok(found)
}

/// Whether the log has an event before this time that can be deleted.
pub async fn has_old_events(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    before: DateTime<Utc>,
) -> Result<bool, DbErr> {
    use event::Column as E;
    let oldest = event::Entity::find().filter(E::AgencyId.eq(agency)).order_by_asc(E::Position).limit(2);
    let oldest = oldest.all(conn).await?;
    // The newest event stays.
    Ok(oldest.len() > 1 && oldest.first().is_some_and(|event| event.created_at < before))
}

/// Settled quarantined texts of an agency, or of none.
pub async fn settled_quarantine(
    conn: &impl ConnectionTrait,
    agency: Option<AgencyId>,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<QuarantineId>, DbErr> {
    use quarantine::Column as Q;
    let owner = match agency {
        Some(agency) => Q::AgencyId.eq(agency),
        None => Q::AgencyId.is_null(),
    };
    quarantine::Entity::find()
        .select_only()
        .column(Q::Id)
        .filter(owner)
        .filter(Q::State.is_in([QuarantineState::Assigned, QuarantineState::Discarded]))
        .filter(Q::CreatedAt.lt(before))
        .filter(Q::SettledAt.lt(before))
        .order_by_asc(Q::Id)
        .limit(limit)
        .into_tuple()
        .all(conn)
        .await
}

/// The attachments of these messages whose files must be deleted first.
pub async fn media_with_files(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    messages: &[MessageId],
) -> Result<Vec<MediaId>, DbErr> {
    use media::Column as M;
    let query = media::Entity::find().select_only().column(M::Id).filter(M::AgencyId.eq(agency));
    let query = query.filter(M::MessageId.is_in(padded_list(messages.iter().copied())));
    query.filter(has_file(M::State, M::Digest)).into_tuple().all(conn).await
}

/// The voicemails of these calls whose recordings must be deleted first.
pub async fn voicemails_with_files(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    calls: &[CallId],
) -> Result<Vec<VoicemailId>, DbErr> {
    use voicemail::Column as V;
    let query = voicemail::Entity::find().select_only().column(V::Id).filter(V::AgencyId.eq(agency));
    let query = query.filter(V::CallId.is_in(padded_list(calls.iter().copied()))).filter(V::AbsentAt.is_null());
    query.filter(has_file(V::State, V::Digest)).into_tuple().all(conn).await
}

/// Deletes up to `limit` of the oldest events before a time, and moves the begin of the log after them. The newest event
/// always stays: it dates a backup. Returns how many events were deleted.
pub async fn delete_events(
    conn: &impl Statements,
    agency: AgencyId,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<u64, DbErr> {
    use agency_position::Column as P;
    use event::Column as E;
    let head = find(conn, agency_position::Entity::find().filter(P::AgencyId.eq(agency))).await?.pop();
    let Some(head) = head else { return Ok(0) };
    let columns = [E::Position, E::CreatedAt];
    let oldest = event::Entity::find()
        .select_only()
        .columns(columns)
        .filter(E::AgencyId.eq(agency))
        .filter(E::Position.lt(head.position))
        .order_by_asc(E::Position)
        .limit(limit);
    let mut last = None;
    for mut row in conn.rows(oldest.build(conn.backend()), &columns.map(Kind::of)).await? {
        let (position, created_at): (i64, DateTime<Utc>) = (row.take()?, row.take()?);
        if created_at >= before {
            break;
        }
        last = Some(position);
    }
    let Some(last) = last else { return Ok(0) };
    let move_begin =
        agency_position::Entity::update_many().col_expr(P::FirstKept, Expr::value(last)).filter(P::AgencyId.eq(agency));
    change(conn, &move_begin).await?;
    let delete = event::Entity::delete_many().filter(E::AgencyId.eq(agency)).filter(E::Position.lte(last));
    change(conn, &delete).await
}

/// Those of these messages that can be deleted: they were created before the time if there is one, are not on their way
/// to the carrier, and have no files.
pub async fn deletable_messages(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[MessageId],
    before: Option<DateTime<Utc>>,
) -> Result<Vec<message::Model>, DbErr> {
    let list = || padded_list(ids.iter().copied());
    let query = message::Entity::find().filter(message::Column::AgencyId.eq(agency));
    let mut rows = find(conn, query.filter(message::Column::Id.is_in(list()))).await?;
    let sending = outbox::Entity::find()
        .filter(outbox::Column::AgencyId.eq(agency))
        .filter(outbox::Column::MessageId.is_in(list()));
    let sending = find(conn, sending).await?.into_iter().map(|row| row.message_id);
    let with_files = media::Entity::find()
        .filter(media::Column::AgencyId.eq(agency))
        .filter(media::Column::MessageId.is_in(list()))
        .filter(has_file(media::Column::State, media::Column::Digest));
    let with_files = find(conn, with_files).await?.into_iter().map(|row| row.message_id);
    let kept: BTreeSet<MessageId> = sending.chain(with_files).collect();
    rows.sort_unstable_by_key(|row| row.id);
    rows.retain(|row| before.is_none_or(|before| row.created_at < before) && !kept.contains(&row.id));
    Ok(rows)
}

/// Deletes messages with their attachments and delivery steps, and corrects their threads and read marks.
pub async fn delete_messages(
    conn: &impl Statements,
    agency: AgencyId,
    messages: &[message::Model],
) -> Result<u64, DbErr> {
    if messages.is_empty() {
        return Ok(0);
    }
    let ids = || padded_list(messages.iter().map(|row| row.id));
    let of_messages = media::Entity::delete_many().filter(media::Column::AgencyId.eq(agency));
    change(conn, &of_messages.filter(media::Column::MessageId.is_in(ids()))).await?;
    let of_messages = delivery_step::Entity::delete_many().filter(delivery_step::Column::AgencyId.eq(agency));
    change(conn, &of_messages.filter(delivery_step::Column::MessageId.is_in(ids()))).await?;
    forget_resends(conn, agency, messages).await?;
    let rows = message::Entity::delete_many().filter(message::Column::AgencyId.eq(agency));
    let deleted = change(conn, &rows.filter(message::Column::Id.is_in(ids()))).await?;
    subtract_inbound(conn, agency, messages).await?;
    correct_last_messages(conn, agency, messages).await?;
    Ok(deleted)
}

/// Clears the references of messages that stay to messages that are deleted.
async fn forget_resends(conn: &impl Statements, agency: AgencyId, messages: &[message::Model]) -> Result<(), DbErr> {
    use message::Column as M;
    let resent: Vec<MessageId> = messages.iter().filter_map(|row| row.resent_as_id).collect();
    let originals: Vec<MessageId> = messages.iter().filter_map(|row| row.resends_id).collect();
    for (ids, cleared) in [
        (resent, message::ActiveModel { resends_id: Set(None), ..Default::default() }),
        (originals, message::ActiveModel { resent_as_id: Set(None), ..Default::default() }),
    ] {
        if !ids.is_empty() {
            let rows = message::Entity::update_many().set(cleared).filter(M::AgencyId.eq(agency));
            change(conn, &rows.filter(M::Id.is_in(padded_list(ids)))).await?;
        }
    }
    Ok(())
}

/// Subtracts deleted inbound messages from the counts of their threads and from the read marks. The oldest messages are
/// deleted, so what was read of them is subtracted first, and unread counts stay as they are.
async fn subtract_inbound(conn: &impl Statements, agency: AgencyId, messages: &[message::Model]) -> Result<(), DbErr> {
    use read_mark::Column as R;
    use thread::Column as T;
    let mut counts: BTreeMap<ThreadId, i32> = BTreeMap::new();
    for row in messages.iter().filter(|row| row.direction == Direction::Inbound) {
        *counts.entry(row.thread_id).or_default() += 1;
    }
    let mut by_count: BTreeMap<i32, Vec<ThreadId>> = BTreeMap::new();
    for (thread, count) in counts {
        by_count.entry(count).or_default().push(thread);
    }
    for (count, threads) in by_count {
        let threads = padded_list(threads);
        let rows = thread::Entity::update_many()
            .col_expr(T::InboundCount, less(T::InboundCount, count))
            .col_expr(T::AnsweredCount, less(T::AnsweredCount, count))
            // The contact has texted the number, which must be known without the messages as well.
            .col_expr(T::StartedBlind, Expr::value(false))
            .filter(T::AgencyId.eq(agency))
            .filter(T::Id.is_in(threads.clone()));
        change(conn, &rows).await?;
        let marks = read_mark::Entity::update_many()
            .col_expr(R::SeenCount, less(R::SeenCount, count))
            .filter(R::AgencyId.eq(agency))
            .filter(R::ThreadId.is_in(threads.clone()));
        change(conn, &marks).await?;
        let answered = thread::Entity::update_many()
            .set(thread::ActiveModel { waiting_since: Set(None), ..Default::default() })
            .filter(T::AgencyId.eq(agency))
            .filter(T::Id.is_in(threads))
            .filter(T::WaitingSince.is_not_null())
            .filter(Expr::col(T::InboundCount).lte(Expr::col(T::AnsweredCount)));
        change(conn, &answered).await?;
    }
    Ok(())
}

/// The column minus a count, but not below zero.
fn less<C: ColumnTrait>(column: C, count: i32) -> Expr {
    CaseStatement::new().case(Expr::col(column).gt(count), Expr::col(column).sub(count)).finally(0).into()
}

/// Corrects the last message and the opt-out hint of threads that lost them. The time of the last activity stays, so
/// that no thread moves in the inbox.
async fn correct_last_messages(
    conn: &impl Statements,
    agency: AgencyId,
    messages: &[message::Model],
) -> Result<(), DbErr> {
    use message::Column as M;
    use thread::Column as T;
    let ids = || padded_list(messages.iter().map(|row| row.id));
    let threads: BTreeSet<ThreadId> = messages.iter().map(|row| row.thread_id).collect();
    let affected = || padded_list(threads.iter().copied());
    let hints = thread::Entity::update_many()
        .set(thread::ActiveModel { opt_out_hint_id: Set(None), ..Default::default() })
        .filter(T::AgencyId.eq(agency))
        .filter(T::Id.is_in(affected()))
        .filter(T::OptOutHintId.is_in(ids()));
    change(conn, &hints).await?;
    let without_last = thread::Entity::find()
        .filter(T::AgencyId.eq(agency))
        .filter(T::Id.is_in(affected()))
        .filter(T::LastMessageId.is_in(ids()));
    let without_last: Vec<ThreadId> = find(conn, without_last).await?.into_iter().map(|row| row.id).collect();
    if without_last.is_empty() {
        return Ok(());
    }
    let clear = thread::Entity::update_many()
        .set(thread::ActiveModel { last_message_id: Set(None), last_message_at: Set(None), ..Default::default() })
        .filter(T::AgencyId.eq(agency))
        .filter(T::Id.is_in(padded_list(without_last.iter().copied())));
    change(conn, &clear).await?;
    // Usually none: the last message is deleted last. Imported messages may be in another order.
    let remaining = message::Entity::find()
        .select_only()
        .column(M::ThreadId)
        .distinct()
        .filter(M::AgencyId.eq(agency))
        .filter(M::ThreadId.is_in(padded_list(without_last)));
    for mut row in conn.rows(remaining.build(conn.backend()), &[Kind::Uuid]).await? {
        let thread: ThreadId = row.take()?;
        let newest = message::Entity::find().filter(M::AgencyId.eq(agency)).filter(M::ThreadId.eq(thread));
        let newest = newest.order_by_desc(M::CreatedAt).order_by_desc(M::Id).limit(1);
        for last in find(conn, newest).await? {
            let set = thread::ActiveModel {
                last_message_id: Set(Some(last.id)),
                last_message_at: Set(Some(last.created_at)),
                ..Default::default()
            };
            let row = thread::Entity::update_many().set(set).filter(T::AgencyId.eq(agency)).filter(T::Id.eq(thread));
            change(conn, &row).await?;
        }
    }
    Ok(())
}

/// A call that can be deleted, with its legs and voicemails.
#[derive(Debug, Clone)]
pub struct DeletableCall {
    pub call: call::Model,
    pub legs: Vec<call_leg::Model>,
    pub voicemails: Vec<voicemail::Model>,
}

/// Those of these calls that can be deleted: they started before the time if there is one, have ended, and have no
/// recordings.
pub async fn deletable_calls(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[CallId],
    before: Option<DateTime<Utc>>,
) -> Result<Vec<DeletableCall>, DbErr> {
    let list = || padded_list(ids.iter().copied());
    let query = call::Entity::find().filter(call::Column::AgencyId.eq(agency)).filter(call::Column::Id.is_in(list()));
    let rows = find(conn, query.filter(call::Column::EndedAt.is_not_null())).await?;
    let legs = call_leg::Entity::find().filter(call_leg::Column::AgencyId.eq(agency));
    let mut legs = group(find(conn, legs.filter(call_leg::Column::CallId.is_in(list()))).await?, |row| row.call_id);
    let voicemails = voicemail::Entity::find().filter(voicemail::Column::AgencyId.eq(agency));
    let voicemails = find(conn, voicemails.filter(voicemail::Column::CallId.is_in(list()))).await?;
    let mut voicemails = group(voicemails, |row| row.call_id);
    let mut of_call = |call: call::Model| {
        let legs = legs.remove(&call.id).unwrap_or_default();
        let voicemails = voicemails.remove(&call.id).unwrap_or_default();
        DeletableCall { call, legs, voicemails }
    };
    let is_deletable = |row: &DeletableCall| {
        let keeps_file = |row: &voicemail::Model| {
            row.digest.is_some()
                || row.absent_at.is_none() && matches!(row.state, MediaState::Pending | MediaState::Ready)
        };
        before.is_none_or(|before| row.call.started_at < before) && !row.voicemails.iter().any(keeps_file)
    };
    Ok(rows.into_iter().map(&mut of_call).filter(is_deletable).collect())
}

fn group<T, K: Ord>(rows: Vec<T>, key: impl Fn(&T) -> K) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// Deletes calls with their legs, voicemails and notifications.
pub async fn delete_calls(conn: &impl Statements, agency: AgencyId, ids: &[CallId]) -> Result<u64, DbErr> {
    if ids.is_empty() {
        return Ok(0);
    }
    let list = || padded_list(ids.iter().copied());
    let legs = call_leg::Entity::delete_many().filter(call_leg::Column::AgencyId.eq(agency));
    change(conn, &legs.filter(call_leg::Column::CallId.is_in(list()))).await?;
    let voicemails = voicemail::Entity::delete_many().filter(voicemail::Column::AgencyId.eq(agency));
    change(conn, &voicemails.filter(voicemail::Column::CallId.is_in(list()))).await?;
    let notifications = notification::Entity::delete_many().filter(notification::Column::AgencyId.eq(agency));
    change(conn, &notifications.filter(notification::Column::CallId.is_in(list()))).await?;
    let calls = call::Entity::delete_many().filter(call::Column::AgencyId.eq(agency));
    change(conn, &calls.filter(call::Column::Id.is_in(list()))).await
}

/// Deletes entries of the histories of threads.
pub async fn delete_activities(conn: &impl Statements, agency: AgencyId, ids: &[ActivityId]) -> Result<u64, DbErr> {
    let rows = activity::Entity::delete_many().filter(activity::Column::AgencyId.eq(agency));
    change(conn, &rows.filter(activity::Column::Id.is_in(padded_list(ids.iter().copied())))).await
}

/// Deletes notifications.
pub async fn delete_notifications(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[NotificationId],
) -> Result<u64, DbErr> {
    let rows = notification::Entity::delete_many().filter(notification::Column::AgencyId.eq(agency));
    change(conn, &rows.filter(notification::Column::Id.is_in(padded_list(ids.iter().copied())))).await
}

/// Deletes reports of late arrivals.
pub async fn delete_late_arrivals(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[LateArrivalId],
) -> Result<u64, DbErr> {
    let rows = late_arrival::Entity::delete_many().filter(late_arrival::Column::AgencyId.eq(agency));
    change(conn, &rows.filter(late_arrival::Column::Id.is_in(padded_list(ids.iter().copied())))).await
}

/// Deletes quarantined texts.
pub async fn delete_quarantined(conn: &impl Statements, ids: &[QuarantineId]) -> Result<u64, DbErr> {
    let rows = quarantine::Entity::delete_many();
    change(conn, &rows.filter(quarantine::Column::Id.is_in(padded_list(ids.iter().copied())))).await
}

/// Whether an agency has at least so many messages.
pub async fn has_messages(conn: &impl ConnectionTrait, agency: AgencyId, count: u64) -> Result<bool, DbErr> {
    let last = message::Entity::find()
        .select_only()
        .column(message::Column::Id)
        .filter(message::Column::AgencyId.eq(agency))
        .order_by_asc(message::Column::Id)
        .offset(count.saturating_sub(1))
        .limit(1)
        .into_tuple::<MessageId>();
    Ok(last.one(conn).await?.is_some())
}
