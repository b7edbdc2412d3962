//! Notifications: each is its user's alone.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, Select,
};

use super::bulk::list;
use super::page::{Page, Window};
use super::thread_writes::mark_notifications_read;
use crate::domain::{AgencyId, CallId, MessageId, NotificationId, NotificationKind, ThreadId, UserId};
use crate::entity::notification;

/// A part of a user's notifications, newest first.
///
/// # Errors
/// When the database fails.
pub async fn page(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    unread_only: bool,
    window: &Window,
) -> Result<Page<notification::Model>, DbErr> {
    let query = narrowed(agency, user, unread_only);
    let query = window.apply(query, &Order::Desc, notification::Column::CreatedAt, notification::Column::Id);
    Ok(window.cut(query.all(conn).await?))
}

/// How many there are.
///
/// # Errors
/// When the database fails.
pub async fn count(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    unread_only: bool,
) -> Result<u64, DbErr> {
    narrowed(agency, user, unread_only).count(conn).await
}

/// Those of these notifications that are the user's.
///
/// # Errors
/// When the database fails.
pub async fn own_among(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    ids: &[NotificationId],
) -> Result<Vec<notification::Model>, DbErr> {
    narrowed(agency, user, false).filter(notification::Column::Id.is_in(list(ids.iter().copied()))).all(conn).await
}

/// What an event told each user.
///
/// # Errors
/// When the database fails.
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

/// What was told of this message in this kind is settled.
///
/// # Errors
/// When the database fails.
pub async fn resolve_of_message(
    conn: &impl ConnectionTrait,
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

/// What was told of this call in this kind is settled.
///
/// # Errors
/// When the database fails.
pub async fn resolve_of_call(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    call: CallId,
    kind: NotificationKind,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let about = Condition::all().add(notification::Column::CallId.eq(call));
    resolve(conn, agency, about, kind, now).await
}

/// Everything that was told in this kind is settled.
///
/// # Errors
/// When the database fails.
pub async fn resolve_of_kind(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    kind: NotificationKind,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    resolve(conn, agency, Condition::all(), kind, now).await
}

/// Those open notifications of a kind that the condition names are settled.
pub(super) async fn resolve(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    which: Condition,
    kind: NotificationKind,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    notification::Entity::update_many()
        .col_expr(notification::Column::ResolvedAt, Expr::value(now))
        .filter(notification::Column::AgencyId.eq(agency))
        .filter(which)
        .filter(notification::Column::Kind.eq(kind))
        .filter(notification::Column::ResolvedAt.is_null())
        .exec(conn)
        .await
        .map(drop)
}

fn narrowed(agency: AgencyId, user: UserId, unread_only: bool) -> Select<notification::Entity> {
    let query = notification::Entity::find()
        .filter(notification::Column::AgencyId.eq(agency))
        .filter(notification::Column::UserId.eq(user));
    if unread_only { query.filter(notification::Column::ReadAt.is_null()) } else { query }
}

/// Marks these notifications of a user as read.
///
/// # Errors
/// When the database fails.
pub async fn mark_read(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    ids: &[NotificationId],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let which = Condition::all()
        .add(notification::Column::AgencyId.eq(agency))
        .add(notification::Column::Id.is_in(list(ids.iter().copied())));
    mark_notifications_read(conn, which, user, now).await
}
