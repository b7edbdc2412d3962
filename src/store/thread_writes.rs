//! Writes of units of work to threads. Each conditional change is a single conditional statement.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::bulk;
use super::notifications::resolve;
use super::statements::{Statements, change};
use crate::domain::{AgencyId, ContactId, NotificationKind, ThreadId, UserId};
use crate::entity::{activity, notification, read_mark, thread};

/// Updates the status and the assignee of a thread if both are still as in `before` (optimistic concurrency). Returns
/// whether they were.
pub async fn set_claim_state(
    conn: &impl Statements,
    before: &thread::Model,
    after: &thread::Model,
) -> Result<bool, DbErr> {
    use thread::Column as T;
    let same_assignee = match before.assignee_id {
        Some(user) => T::AssigneeId.eq(user),
        None => T::AssigneeId.is_null(),
    };
    let new = thread::ActiveModel {
        status: Set(after.status),
        assignee_id: Set(after.assignee_id),
        claimed_at: Set(after.claimed_at),
        last_assignee_id: Set(after.last_assignee_id),
        closed_at: Set(after.closed_at),
        escalate_at: Set(after.escalate_at),
        ..Default::default()
    };
    let query = thread::Entity::update_many()
        .set(new)
        .filter(T::AgencyId.eq(before.agency_id))
        .filter(T::Id.eq(before.id))
        .filter(T::Status.eq(before.status))
        .filter(same_assignee);
    Ok(change(conn, &query).await? == 1)
}

/// Adds an entry to a thread's history.
pub async fn add_activity(conn: &impl Statements, row: activity::Model) -> Result<(), DbErr> {
    bulk::insert(conn, vec![row]).await
}

/// Updates a thread after an outbound message: its last message, activity, answered count and extension.
pub async fn record_outbound_message(conn: &impl ConnectionTrait, after: &thread::Model) -> Result<(), DbErr> {
    let change = thread::ActiveModel {
        last_message_id: Set(after.last_message_id),
        last_message_at: Set(after.last_message_at),
        last_activity_at: Set(after.last_activity_at),
        answered_count: Set(after.answered_count),
        waiting_since: Set(after.waiting_since),
        held_until: Set(after.held_until),
        extension_id: Set(after.extension_id),
        ..Default::default()
    };
    update(conn, after.agency_id, after.id, change).await
}

/// Stores how many inbound messages of a thread are answered, and since when the contact waits.
pub async fn set_answered(conn: &impl ConnectionTrait, after: &thread::Model) -> Result<(), DbErr> {
    let change = thread::ActiveModel {
        answered_count: Set(after.answered_count),
        waiting_since: Set(after.waiting_since),
        held_until: Set(after.held_until),
        ..Default::default()
    };
    update(conn, after.agency_id, after.id, change).await
}

/// Sets the last activity of these threads after a call, unless they had a later one.
pub async fn record_call_activity(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[ThreadId],
    at: DateTime<Utc>,
) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let query = thread::Entity::update_many()
        .set(thread::ActiveModel { last_activity_at: Set(at), ..Default::default() })
        .filter(thread::Column::AgencyId.eq(agency))
        .filter(thread::Column::Id.is_in(bulk::padded_list(ids.iter().copied())))
        .filter(thread::Column::LastActivityAt.lt(at));
    change(conn, &query).await.map(drop)
}

/// Records that the carrier blocks texts from the thread's number to its contact.
pub async fn block(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: ThreadId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    update(conn, agency, id, thread::ActiveModel { blocked_at: Set(Some(now)), ..Default::default() }).await
}

/// Clears the opt-out hints of all threads of a contact and, if the contact wants texts, the carrier's blocks.
pub async fn clear_opt_out_hints(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    contact: ContactId,
    wants_texts: bool,
) -> Result<(), DbErr> {
    use thread::Column as T;
    let mut change = thread::ActiveModel { opt_out_hint_id: Set(None), ..Default::default() };
    let mut affected = Condition::any().add(T::OptOutHintId.is_not_null());
    if wants_texts {
        change.blocked_at = Set(None);
        affected = affected.add(T::BlockedAt.is_not_null());
    }
    thread::Entity::update_many()
        .set(change)
        .filter(T::AgencyId.eq(agency))
        .filter(T::ContactId.eq(contact))
        .filter(affected)
        .exec(conn)
        .await
        .map(drop)
}

async fn update(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: ThreadId,
    change: thread::ActiveModel,
) -> Result<(), DbErr> {
    thread::Entity::update_many()
        .set(change)
        .filter(thread::Column::AgencyId.eq(agency))
        .filter(thread::Column::Id.eq(id))
        .exec(conn)
        .await
        .map(drop)
}

/// Resolves the open inbound-message notifications of a thread for all users but `except`, the user who now handles it.
pub async fn resolve_alerts(
    conn: &impl Statements,
    agency: AgencyId,
    thread: ThreadId,
    except: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let others =
        Condition::all().add(notification::Column::ThreadId.eq(thread)).add(notification::Column::UserId.ne(except));
    resolve(conn, agency, others, NotificationKind::InboundClientMessage, now).await
}

/// Marks a thread and the user's notifications about it as read.
pub async fn mark_read(
    conn: &impl ConnectionTrait,
    thread: &thread::Model,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    set_seen_count(conn, thread, user, thread.inbound_count, now).await?;
    mark_notifications_read(conn, about(thread), user, now).await
}

/// Marks the user's notifications about a thread as read that were created up to a time.
pub async fn mark_notifications_read_until(
    conn: &impl ConnectionTrait,
    thread: &thread::Model,
    user: UserId,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let condition = about(thread).add(notification::Column::CreatedAt.lte(until));
    mark_notifications_read(conn, condition, user, now).await
}

fn about(thread: &thread::Model) -> Condition {
    Condition::all()
        .add(notification::Column::AgencyId.eq(thread.agency_id))
        .add(notification::Column::ThreadId.eq(thread.id))
}

/// Stores how many inbound messages of a thread the user has read.
pub async fn set_seen_count(
    conn: &impl ConnectionTrait,
    thread: &thread::Model,
    user: UserId,
    seen_count: i32,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    use read_mark::Column as R;
    let mark = read_mark::Model {
        agency_id: thread.agency_id,
        user_id: user,
        thread_id: thread.id,
        seen_count,
        updated_at: now,
    };
    let mut on_conflict = OnConflict::columns([R::AgencyId, R::UserId, R::ThreadId]);
    on_conflict.update_columns([R::SeenCount, R::UpdatedAt]);
    read_mark::Entity::insert(mark.into_active_model()).on_conflict(on_conflict).exec_without_returning(conn).await?;
    Ok(())
}

/// Marks a user's notifications that match the condition as read.
pub(super) async fn mark_notifications_read(
    conn: &impl ConnectionTrait,
    condition: Condition,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    notification::Entity::update_many()
        .col_expr(notification::Column::ReadAt, Expr::value(now))
        .filter(condition)
        .filter(notification::Column::UserId.eq(user))
        .filter(notification::Column::ReadAt.is_null())
        .exec(conn)
        .await
        .map(drop)
}

/// The threads of all agencies whose escalation to the pool is due, the longest overdue first.
pub async fn due_escalations(
    conn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<(AgencyId, ThreadId)>, DbErr> {
    thread::Entity::find()
        .select_only()
        .column(thread::Column::AgencyId)
        .column(thread::Column::Id)
        .filter(thread::Column::EscalateAt.lte(now))
        .order_by_asc(thread::Column::EscalateAt)
        .limit(limit)
        .into_tuple()
        .all(conn)
        .await
}

/// A thread, if its escalation to the pool is due.
pub async fn due_escalation(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: ThreadId,
    now: DateTime<Utc>,
) -> Result<Option<thread::Model>, DbErr> {
    thread::Entity::find_by_id((agency, id)).filter(thread::Column::EscalateAt.lte(now)).one(conn).await
}

pub async fn clear_escalation(conn: &impl ConnectionTrait, agency: AgencyId, id: ThreadId) -> Result<(), DbErr> {
    update(conn, agency, id, thread::ActiveModel { escalate_at: Set(None), ..Default::default() }).await
}
