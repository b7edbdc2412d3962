//! Notifications. Only the recipient may see a notification.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Select,
};

use super::bulk::padded_list;
use super::page::{IdKey, Page, Window};
use super::statements::{Kind, Statements, change};
use super::thread_writes::mark_notifications_read;
use crate::domain::{AgencyId, CallId, MessageId, NotificationId, NotificationKind, RoutingRung, ThreadId, UserId};
use crate::entity::notification;

/// One page of a user's notifications, newest first.
pub async fn page(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    unread_only: bool,
    window: &Window<IdKey>,
) -> Result<Page<notification::Model>, DbErr> {
    let column = notification::Column::Id;
    let rows =
        async |is_read| window.apply(of_user(agency, user, is_read), &Order::Desc, column, column).all(conn).await;
    let mut newest = rows(false).await?;
    if !unread_only {
        newest.extend(rows(true).await?);
        newest.sort_by_key(|row| row.id);
        if window.reads_descending(&Order::Desc) {
            newest.reverse();
        }
    }
    Ok(window.page(newest))
}

/// The number of a user's notifications.
pub async fn count(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    unread_only: bool,
) -> Result<u64, DbErr> {
    let unread = of_user(agency, user, false).count(conn).await?;
    if unread_only { Ok(unread) } else { Ok(unread + of_user(agency, user, true).count(conn).await?) }
}

/// Those of these notifications that belong to the user.
pub async fn own_among(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    ids: &[NotificationId],
) -> Result<Vec<notification::Model>, DbErr> {
    notification::Entity::find()
        .filter(notification::Column::AgencyId.eq(agency))
        .filter(notification::Column::Id.is_in(padded_list(ids.iter().copied())))
        .filter(notification::Column::UserId.eq(user))
        .all(conn)
        .await
}

/// The notifications that an event created.
pub async fn of_event(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    position: i64,
) -> Result<Vec<notification::Model>, DbErr> {
    notification::Entity::find()
        .filter(notification::Column::AgencyId.eq(agency))
        .filter(notification::Column::EventPosition.eq(position))
        .all(conn)
        .await
}

/// Resolves the open notifications of this kind about a message.
pub async fn resolve_of_message(
    conn: &impl Statements,
    agency: AgencyId,
    (thread, message): (ThreadId, MessageId),
    kind: NotificationKind,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let about = Condition::all()
        .add(notification::Column::ThreadId.eq(thread))
        .add(notification::Column::MessageId.eq(message));
    resolve(conn, agency, about, kind, now).await
}

/// Resolves the open notifications of this kind about a call.
pub async fn resolve_of_call(
    conn: &impl Statements,
    agency: AgencyId,
    call: CallId,
    kind: NotificationKind,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let about = Condition::all().add(notification::Column::CallId.eq(call));
    resolve(conn, agency, about, kind, now).await
}

/// Resolves all open notifications of this kind.
pub async fn resolve_of_kind(
    conn: &impl Statements,
    agency: AgencyId,
    kind: NotificationKind,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    resolve(conn, agency, Condition::all(), kind, now).await
}

/// Resolves the open notifications of this kind that were created at exactly this time.
pub async fn resolve_created_at(
    conn: &impl Statements,
    agency: AgencyId,
    kind: NotificationKind,
    created_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let about = Condition::all()
        .add(notification::Column::ThreadId.is_null())
        .add(notification::Column::CreatedAt.eq(created_at));
    resolve(conn, agency, about, kind, now).await
}

/// Those of these agencies that have an open notification of this kind, about no thread, created after `since`.
pub async fn agencies_with_open(
    conn: &impl Statements,
    agencies: impl IntoIterator<Item = AgencyId>,
    kind: NotificationKind,
    since: DateTime<Utc>,
) -> Result<HashSet<AgencyId>, DbErr> {
    use notification::Column as N;
    let query = notification::Entity::find()
        .select_only()
        .column(N::AgencyId)
        .distinct()
        .filter(N::AgencyId.is_in(padded_list(agencies)))
        .filter(open_without_thread(kind))
        .filter(N::CreatedAt.gt(since));
    let rows = conn.rows(query.build(conn.backend()), &[Kind::of(N::AgencyId)]).await?;
    rows.into_iter().map(|mut row| row.take()).collect()
}

/// When the newest open notification of this kind, about no thread, was created at or before `at`, and when the next
/// one was. `None` if there is none before.
pub async fn open_around(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    kind: NotificationKind,
    at: DateTime<Utc>,
) -> Result<Option<(DateTime<Utc>, Option<DateTime<Utc>>)>, DbErr> {
    use notification::Column as N;
    let open = || {
        let query = notification::Entity::find().select_only().column(N::CreatedAt);
        query.filter(N::AgencyId.eq(agency)).filter(open_without_thread(kind)).limit(1)
    };
    let newest = open().filter(N::CreatedAt.lte(at)).order_by_desc(N::CreatedAt);
    let Some(newest) = newest.into_tuple().one(conn).await? else { return Ok(None) };
    let next = open().filter(N::CreatedAt.gt(at)).order_by_asc(N::CreatedAt);
    Ok(Some((newest, next.into_tuple().one(conn).await?)))
}

/// The index of a thread's notifications also finds the few that are about no thread.
fn open_without_thread(kind: NotificationKind) -> Condition {
    Condition::all()
        .add(notification::Column::ThreadId.is_null())
        .add(notification::Column::Kind.eq(kind))
        .add(notification::Column::ResolvedAt.is_null())
}

/// Resolves the open notifications of this kind that match the condition.
pub(super) async fn resolve(
    conn: &impl Statements,
    agency: AgencyId,
    condition: Condition,
    kind: NotificationKind,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let query = notification::Entity::update_many()
        .col_expr(notification::Column::ResolvedAt, Expr::value(now))
        .filter(notification::Column::AgencyId.eq(agency))
        .filter(condition)
        .filter(notification::Column::Kind.eq(kind))
        .filter(notification::Column::ResolvedAt.is_null());
    change(conn, &query).await.map(drop)
}

/// The read or the unread notifications of a user. They are in two indexes: a user reads nearly everything in the course
/// of time, so what is unread would be found only by reading the whole history.
fn of_user(agency: AgencyId, user: UserId, is_read: bool) -> Select<notification::Entity> {
    let read_at = notification::Column::ReadAt;
    notification::Entity::find()
        .filter(notification::Column::AgencyId.eq(agency))
        .filter(notification::Column::UserId.eq(user))
        .filter(if is_read { read_at.is_not_null() } else { read_at.is_null() })
}

/// Marks these notifications of a user as read.
pub async fn mark_read(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    ids: &[NotificationId],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let condition = Condition::all()
        .add(notification::Column::AgencyId.eq(agency))
        .add(notification::Column::Id.is_in(padded_list(ids.iter().copied())));
    mark_notifications_read(conn, condition, user, now).await
}

/// The users who were alerted of these inbound messages, with the rungs that named them.
pub async fn recipients(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    messages: &[(ThreadId, MessageId)],
) -> Result<Vec<(MessageId, UserId, RoutingRung)>, DbErr> {
    use notification::Column as N;
    notification::Entity::find()
        .select_only()
        .columns([N::MessageId, N::UserId, N::Rung])
        .filter(N::AgencyId.eq(agency))
        // The thread is redundant, but lets the database use the index.
        .filter(N::ThreadId.is_in(padded_list(messages.iter().map(|(thread, _)| *thread))))
        .filter(N::MessageId.is_in(padded_list(messages.iter().map(|(_, message)| *message))))
        .filter(N::Kind.eq(NotificationKind::InboundClientMessage))
        .filter(N::Rung.is_not_null())
        .order_by_asc(N::Id)
        .into_tuple()
        .all(conn)
        .await
}

/// One notification of an agency, of any user.
pub async fn by_id(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: NotificationId,
) -> Result<Option<notification::Model>, DbErr> {
    notification::Entity::find_by_id((agency, id)).one(conn).await
}

/// The users whose notifications about a thread or a call were resolved at exactly this time.
pub async fn resolved_at(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    (thread, call): (Option<ThreadId>, Option<CallId>),
    at: DateTime<Utc>,
) -> Result<Vec<UserId>, DbErr> {
    use notification::Column as N;
    let about = Condition::any()
        .add_option(thread.map(|thread| N::ThreadId.eq(thread)))
        .add_option(call.map(|call| N::CallId.eq(call)));
    if about.is_empty() {
        return Ok(Vec::new());
    }
    notification::Entity::find()
        .select_only()
        .column(N::UserId)
        .distinct()
        .filter(N::AgencyId.eq(agency))
        .filter(about)
        .filter(N::ResolvedAt.eq(at))
        .into_tuple()
        .all(conn)
        .await
}
