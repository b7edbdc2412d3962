//! Messages. A user who may see a thread may see all of its messages.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::batched_pages;
use super::bulk::padded_list;
use super::page::{Page, Window};
use crate::domain::delivery_error::{CANCELED, STALE_VIEW};
use crate::domain::{AccountId, AgencyId, Direction, MessageId, MessageStatus, ThreadId, UserId};
use crate::entity::{delivery_step, message};

/// For each thread, one page of its messages, oldest first. The pages are in the order of `parts`. Does not check the
/// visibility of the threads.
pub async fn pages(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<message::Model>>, DbErr> {
    let parts = parts.iter().map(|(thread, window)| (in_thread(agency, *thread), *window)).collect();
    batched_pages::pages(conn, parts, &Order::Asc, message::Column::CreatedAt, message::Column::Id).await
}

/// The number of messages of each of these threads. Threads without messages are omitted.
pub async fn counts(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    threads: &[ThreadId],
) -> Result<Vec<(ThreadId, i64)>, DbErr> {
    let query = message::Entity::find()
        .filter(message::Column::AgencyId.eq(agency))
        .filter(message::Column::ThreadId.is_in(padded_list(threads.iter().copied())));
    batched_pages::counts(conn, query, message::Column::ThreadId).await
}

/// These messages of an agency. Does not check the visibility of their threads.
pub async fn by_ids(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    ids: &[MessageId],
) -> Result<Vec<message::Model>, DbErr> {
    message::Entity::find()
        .filter(message::Column::AgencyId.eq(agency))
        .filter(message::Column::Id.is_in(padded_list(ids.iter().copied())))
        .all(conn)
        .await
}

/// One message of an agency. Does not check the visibility of its thread.
pub async fn by_id(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: MessageId,
) -> Result<Option<message::Model>, DbErr> {
    message::Entity::find_by_id((agency, id)).one(conn).await
}

/// The outbound message with this Twilio SID, in any of these agencies.
pub async fn by_sid(
    conn: &impl ConnectionTrait,
    agencies: &[AgencyId],
    account: AccountId,
    sid: &str,
) -> Result<Option<message::Model>, DbErr> {
    message::Entity::find()
        .filter(message::Column::AgencyId.is_in(padded_list(agencies.iter().copied())))
        .filter(message::Column::TwilioAccountId.eq(account))
        .filter(message::Column::ProviderSid.eq(sid))
        .filter(message::Column::Direction.eq(Direction::Outbound))
        .one(conn)
        .await
}

/// Those of these Twilio SIDs that messages of the agency already have.
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
        .filter(message::Column::ProviderSid.is_in(padded_list(sids.iter().map(String::as_str))))
        .into_tuple()
        .all(conn)
        .await
}

/// The number of texts in the thread with the same body as this one that were attempted and have no Twilio SID,
/// including this one.
pub async fn count_same_body_without_sid(conn: &impl ConnectionTrait, message: &message::Model) -> Result<u64, DbErr> {
    use message::Column as M;
    in_thread(message.agency_id, message.thread_id)
        .filter(M::Direction.eq(Direction::Outbound))
        .filter(M::Status.ne(MessageStatus::Queued))
        .filter(M::ProviderSid.is_null())
        .filter(M::Body.eq(message.body.as_str()))
        .count(conn)
        .await
}

/// The number of texts in the thread with as many segments as this one that are being sent, or whose outcome is
/// unknown, and that have no Twilio SID, including this one. Texts that were flagged to a user before `since` do not
/// count.
pub async fn count_same_segments_without_sid(
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

/// Matches all messages but those that were canceled or stopped while they were held, which nobody has received.
fn is_not_stopped() -> Condition {
    let code = message::Column::ErrorCode;
    Condition::any().add(code.is_null()).add(code.is_not_in([CANCELED, STALE_VIEW]))
}

/// The newest message that another user than `user` wrote in the thread after `seen`.
pub async fn newest_colleague_message_after(
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
        .filter(is_not_stopped())
        .filter(later)
        .order_by_desc(M::CreatedAt)
        .order_by_desc(M::Id)
        .one(conn)
        .await
}

/// Whether any user has written a text in a thread at or after `since`.
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
        .filter(is_not_stopped())
        .filter(M::CreatedAt.gte(since));
    Ok(written.one(conn).await?.is_some())
}

fn in_thread(agency: AgencyId, thread: ThreadId) -> Select<message::Entity> {
    message::Entity::find().filter(message::Column::AgencyId.eq(agency)).filter(message::Column::ThreadId.eq(thread))
}

/// The changes of the delivery status of these messages, oldest first. Does not check the visibility of their threads.
pub async fn delivery_steps(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    ids: &[MessageId],
) -> Result<Vec<delivery_step::Model>, DbErr> {
    use delivery_step::Column as D;
    delivery_step::Entity::find()
        .filter(D::AgencyId.eq(agency))
        .filter(D::MessageId.is_in(padded_list(ids.iter().copied())))
        .order_by_asc(D::Id)
        .all(conn)
        .await
}

/// The inbound messages of these threads that arrived after a time.
pub async fn inbound_after(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    threads: &[ThreadId],
    after: DateTime<Utc>,
) -> Result<Vec<message::Model>, DbErr> {
    message::Entity::find()
        .filter(message::Column::AgencyId.eq(agency))
        .filter(message::Column::ThreadId.is_in(padded_list(threads.iter().copied())))
        .filter(message::Column::CreatedAt.gt(after))
        .filter(message::Column::Direction.eq(Direction::Inbound))
        .all(conn)
        .await
}

/// The inbound messages of a thread after one of its messages, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboundSince {
    pub count: i64,
    pub first_at: Option<DateTime<Utc>>,
}

/// The inbound messages of a thread after this one, or all of them if there is none.
pub async fn inbound_since(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
    after: Option<&message::Model>,
) -> Result<InboundSince, DbErr> {
    use message::Column as M;
    let later = after.map(|message| {
        Condition::any()
            .add(M::CreatedAt.gt(message.created_at))
            .add(Condition::all().add(M::CreatedAt.eq(message.created_at)).add(M::Id.gt(message.id)))
    });
    let found: Option<(i64, Option<DateTime<Utc>>)> = message::Entity::find()
        .select_only()
        .column_as(M::Id.count(), "messages")
        .column_as(M::CreatedAt.min(), "first")
        .filter(M::AgencyId.eq(agency))
        .filter(M::ThreadId.eq(thread))
        .filter(M::Direction.eq(Direction::Inbound))
        .filter(Condition::all().add_option(later))
        .into_tuple()
        .one(conn)
        .await?;
    let (count, first_at) = found.unwrap_or_default();
    Ok(InboundSince { count, first_at })
}

/// The last message of a user in a thread that was not stopped before it was sent, and was not sent again.
pub async fn last_answer(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
) -> Result<Option<message::Model>, DbErr> {
    use message::Column as M;
    message::Entity::find()
        .filter(M::AgencyId.eq(agency))
        .filter(M::ThreadId.eq(thread))
        .filter(M::SenderId.is_not_null())
        .filter(is_not_stopped())
        .filter(M::ResentAsId.is_null())
        .order_by_desc(M::CreatedAt)
        .order_by_desc(M::Id)
        .one(conn)
        .await
}
