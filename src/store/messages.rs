//! Messages and their attachments. Who may see a thread may see all of it.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::batched_pages;
use super::bulk::list;
use super::page::{Page, Window};
use crate::domain::{AccountId, AgencyId, Direction, MediaId, MessageId, MessageStatus, ThreadId, UserId};
use crate::entity::{media, message};

/// Parts of threads, oldest message first, in the order of `parts`. The visibility of the threads is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn pages(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<message::Model>>, DbErr> {
    let parts = parts.iter().map(|(thread, window)| (in_thread(agency, *thread), *window)).collect();
    batched_pages::pages(conn, parts, &Order::Asc, message::Column::CreatedAt, message::Column::Id).await
}

/// How many messages each of these threads has; a thread without any is left out.
///
/// # Errors
/// When the database fails.
pub async fn counts(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    threads: &[ThreadId],
) -> Result<Vec<(ThreadId, i64)>, DbErr> {
    let query = message::Entity::find()
        .filter(message::Column::AgencyId.eq(agency))
        .filter(message::Column::ThreadId.is_in(list(threads.iter().copied())));
    batched_pages::counts(conn, query, message::Column::ThreadId).await
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

/// The outbound message that the carrier knows by this name, in any of these agencies.
///
/// # Errors
/// When the database fails.
pub async fn by_sid(
    conn: &impl ConnectionTrait,
    agencies: &[AgencyId],
    account: AccountId,
    sid: &str,
) -> Result<Option<message::Model>, DbErr> {
    message::Entity::find()
        .filter(message::Column::AgencyId.is_in(list(agencies.iter().copied())))
        .filter(message::Column::TwilioAccountId.eq(account))
        .filter(message::Column::ProviderSid.eq(sid))
        .filter(message::Column::Direction.eq(Direction::Outbound))
        .one(conn)
        .await
}

/// Which of these names of the carrier's are an agency's messages' already.
///
/// # Errors
/// When the database fails.
pub async fn known_sids(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    account: AccountId,
    sids: &[String],
) -> Result<Vec<String>, DbErr> {
    message::Entity::find()
        .select_only()
        .column(message::Column::ProviderSid)
        .filter(message::Column::AgencyId.eq(agency))
        .filter(message::Column::TwilioAccountId.eq(account))
        .filter(message::Column::ProviderSid.is_in(list(sids.iter().map(String::as_str))))
        .into_tuple()
        .all(conn)
        .await
}

/// How many texts of a thread say the same as this one, were tried, and have no name of the
/// carrier's; itself among them.
///
/// # Errors
/// When the database fails.
pub async fn count_unnamed_like(conn: &impl ConnectionTrait, message: &message::Model) -> Result<u64, DbErr> {
    use message::Column as M;
    in_thread(message.agency_id, message.thread_id)
        .filter(M::Direction.eq(Direction::Outbound))
        .filter(M::Status.ne(MessageStatus::Queued))
        .filter(M::ProviderSid.is_null())
        .filter(M::Body.eq(message.body.as_str()))
        .count(conn)
        .await
}

/// How many texts of a thread have as many segments as this one and are on their way without a name of the carrier's;
/// itself among them. Those for which a person was asked before `since` do not count.
///
/// # Errors
/// When the database fails.
pub async fn count_unnamed_as_long(
    conn: &impl ConnectionTrait,
    message: &message::Model,
    since: DateTime<Utc>,
) -> Result<u64, DbErr> {
    use message::Column as M;
    in_thread(message.agency_id, message.thread_id)
        .filter(M::Direction.eq(Direction::Outbound))
        .filter(M::Status.is_in([MessageStatus::Sending, MessageStatus::Unknown]))
        .filter(M::ProviderSid.is_null())
        .filter(M::Segments.eq(message.segments))
        .filter(M::FlaggedAt.is_null().or(M::FlaggedAt.gte(since)))
        .count(conn)
        .await
}

/// The newest message that a colleague of `user` wrote into a thread after `seen`, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn newer_of_colleague(
    conn: &impl ConnectionTrait,
    seen: &message::Model,
    user: UserId,
) -> Result<Option<message::Model>, DbErr> {
    use message::Column as M;
    let later = Condition::any()
        .add(M::CreatedAt.gt(seen.created_at))
        .add(M::CreatedAt.eq(seen.created_at).and(M::Id.gt(seen.id)));
    in_thread(seen.agency_id, seen.thread_id)
        .filter(M::Direction.eq(Direction::Outbound))
        .filter(M::SenderId.ne(user))
        .filter(later)
        .order_by_desc(M::CreatedAt)
        .order_by_desc(M::Id)
        .one(conn)
        .await
}

/// Whether a user has sent a text in a thread at or after a point in time.
///
/// # Errors
/// When the database fails.
pub async fn has_staff_text_since(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
    since: DateTime<Utc>,
) -> Result<bool, DbErr> {
    use message::Column as M;
    let written = in_thread(agency, thread)
        .filter(M::Direction.eq(Direction::Outbound))
        .filter(M::SenderId.is_not_null())
        .filter(M::CreatedAt.gte(since));
    Ok(written.one(conn).await?.is_some())
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
