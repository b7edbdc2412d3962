//! Messages and their attachments. Who may see a thread may see all of it.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, Select,
};

use super::bulk::list;
use super::page::{Page, Window};
use crate::domain::{AgencyId, MediaId, MessageId, ThreadId};
use crate::entity::{media, message};

/// A part of a thread, oldest first. The thread's visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn of_thread(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
    window: &Window,
) -> Result<Page<message::Model>, DbErr> {
    let query = in_thread(agency, thread);
    let query = window.apply(query, &Order::Asc, message::Column::CreatedAt, message::Column::Id);
    Ok(window.cut(query.all(conn).await?))
}

/// How many messages a thread has.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &impl ConnectionTrait, agency: AgencyId, thread: ThreadId) -> Result<u64, DbErr> {
    in_thread(agency, thread).count(conn).await
}

/// These messages of an agency. Their threads' visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    ids: &[MessageId],
) -> Result<Vec<message::Model>, DbErr> {
    message::Entity::find()
        .filter(message::Column::AgencyId.eq(agency))
        .filter(message::Column::Id.is_in(list(ids.iter().copied())))
        .all(conn)
        .await
}

/// The attachments of these messages, in order.
///
/// # Errors
/// When the database fails.
pub async fn media_of(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    messages: &[MessageId],
) -> Result<Vec<media::Model>, DbErr> {
    media::Entity::find()
        .filter(media::Column::AgencyId.eq(agency))
        .filter(media::Column::MessageId.is_in(list(messages.iter().copied())))
        .order_by_asc(media::Column::MessageId)
        .order_by_asc(media::Column::Ordinal)
        .all(conn)
        .await
}

/// One attachment. Its message's visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn media_by_id(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: MediaId,
) -> Result<Option<media::Model>, DbErr> {
    media::Entity::find_by_id((agency, id)).one(conn).await
}

fn in_thread(agency: AgencyId, thread: ThreadId) -> Select<message::Entity> {
    message::Entity::find().filter(message::Column::AgencyId.eq(agency)).filter(message::Column::ThreadId.eq(thread))
}
