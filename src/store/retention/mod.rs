//! Old rows: finding them, and deleting them with everything that refers to them.
//!
//! Rows are found by their primary keys, because ids grow with time, so that the tables that grow fastest need no index
//! for it. Rows are found on a reading connection; the deletion checks them again under the agency's lock.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    QueryTrait as _, Select, TryGetable,
};
use uuid::Uuid;

use super::bulk::padded_list;
use super::statements::{Kind, Statements, change, find};
use crate::domain::access::STAND_IN_RUNGS;
use crate::domain::retention::first_id_at;
use crate::domain::{
    ActivityId, AgencyId, CallId, LateArrivalId, MediaId, MediaState, MessageId, NotificationId, QuarantineId,
    QuarantineState, UserId, VoicemailId,
};
use crate::entity::{
    activity, agency, agency_position, call, event, late_arrival, media, message, notification, quarantine, voicemail,
};

mod calls;
mod messages;

pub use calls::{DeletableCall, deletable_calls, delete_calls};
pub use messages::{deletable_messages, delete_messages};

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
