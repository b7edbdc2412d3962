//! What is stored about a contact.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, TryGetable,
};

use super::bulk::padded_list;
use super::statements::{Statements, change, find};
use crate::domain::search::sort_key;
use crate::domain::{
    ActivityId, AgencyId, CallId, ContactId, MediaState, MessageId, NotificationId, QuarantineId, ThreadId,
};
use crate::entity::{
    activity, call, contact, draft, media, message, notification, outbox, quarantine, read_mark, thread, voicemail,
};

/// A contact of an agency and the ids of its threads.
#[derive(Debug, Clone)]
pub struct Subject {
    pub agency: AgencyId,
    pub contact: ContactId,
    pub threads: Vec<ThreadId>,
}

impl Subject {
    fn in_threads<C: ColumnTrait>(&self, agency: C, thread: C) -> Condition {
        let threads = padded_list(self.threads.iter().copied());
        Condition::all().add(agency.eq(self.agency)).add(thread.is_in(threads))
    }

    /// Calls have a contact even if they have no thread.
    fn calls(&self) -> Condition {
        let threads = padded_list(self.threads.iter().copied());
        let own =
            Condition::any().add(call::Column::ContactId.eq(self.contact)).add(call::Column::ThreadId.is_in(threads));
        Condition::all().add(call::Column::AgencyId.eq(self.agency)).add(own)
    }

    fn notifications(&self) -> Condition {
        self.in_threads(notification::Column::AgencyId, notification::Column::ThreadId)
    }
}

/// How many rows are stored about a contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredRows {
    pub threads: u64,
    pub messages: u64,
    pub files: u64,
    pub calls: u64,
    pub recordings: u64,
    pub drafts: u64,
    pub activities: u64,
    pub notifications: u64,
}

/// Counts what is stored about a contact.
pub async fn count(conn: &impl ConnectionTrait, subject: &Subject) -> Result<StoredRows, DbErr> {
    use {activity::Column as A, draft::Column as D, message::Column as M};
    let messages = message::Entity::find().filter(subject.in_threads(M::AgencyId, M::ThreadId));
    let ids: Vec<MessageId> = messages.clone().select_only().column(M::Id).into_tuple().all(conn).await?;
    let calls: Vec<CallId> = call::Entity::find()
        .filter(subject.calls())
        .select_only()
        .column(call::Column::Id)
        .into_tuple()
        .all(conn)
        .await?;
    let (mut files, mut recordings) = (0, 0);
    for ids in ids.chunks(CHUNK) {
        let of_messages = media::Entity::find().filter(media::Column::AgencyId.eq(subject.agency));
        let of_messages = of_messages.filter(media::Column::MessageId.is_in(padded_list(ids.iter().copied())));
        files += of_messages.filter(media::Column::State.ne(MediaState::Deleted)).count(conn).await?;
    }
    for ids in calls.chunks(CHUNK) {
        let of_calls = voicemail::Entity::find().filter(voicemail::Column::AgencyId.eq(subject.agency));
        let of_calls = of_calls.filter(voicemail::Column::CallId.is_in(padded_list(ids.iter().copied())));
        let of_calls = of_calls.filter(voicemail::Column::AbsentAt.is_null());
        recordings += of_calls.filter(voicemail::Column::State.ne(MediaState::Deleted)).count(conn).await?;
    }
    Ok(StoredRows {
        threads: subject.threads.len() as u64,
        messages: ids.len() as u64,
        files,
        calls: calls.len() as u64,
        recordings,
        drafts: draft::Entity::find().filter(subject.in_threads(D::AgencyId, D::ThreadId)).count(conn).await?,
        activities: activity::Entity::find().filter(subject.in_threads(A::AgencyId, A::ThreadId)).count(conn).await?,
        notifications: notification::Entity::find().filter(subject.notifications()).count(conn).await?,
    })
}

/// The length of a list of ids in one statement.
const CHUNK: usize = 512;

async fn some<E, T>(conn: &impl ConnectionTrait, query: Select<E>, id: E::Column, limit: u64) -> Result<Vec<T>, DbErr>
where
    E: EntityTrait,
    T: TryGetable + Send,
{
    query.select_only().column(id).limit(limit).into_tuple().all(conn).await
}

/// Up to `limit` messages of the contact.
pub async fn messages(conn: &impl ConnectionTrait, subject: &Subject, limit: u64) -> Result<Vec<MessageId>, DbErr> {
    use message::Column as M;
    let query = message::Entity::find().filter(subject.in_threads(M::AgencyId, M::ThreadId));
    some(conn, query.order_by_asc(M::CreatedAt), M::Id, limit).await
}

/// Up to `limit` calls of the contact.
pub async fn calls(conn: &impl ConnectionTrait, subject: &Subject, limit: u64) -> Result<Vec<CallId>, DbErr> {
    some(conn, call::Entity::find().filter(subject.calls()), call::Column::Id, limit).await
}

/// Up to `limit` notifications about the contact's threads.
pub async fn notifications(
    conn: &impl ConnectionTrait,
    subject: &Subject,
    limit: u64,
) -> Result<Vec<NotificationId>, DbErr> {
    some(conn, notification::Entity::find().filter(subject.notifications()), notification::Column::Id, limit).await
}

/// Up to `limit` entries of the histories of the contact's threads.
pub async fn activities(conn: &impl ConnectionTrait, subject: &Subject, limit: u64) -> Result<Vec<ActivityId>, DbErr> {
    use activity::Column as A;
    let query = activity::Entity::find().filter(subject.in_threads(A::AgencyId, A::ThreadId));
    some(conn, query, A::Id, limit).await
}

/// Whether a text to the contact is on its way, or a call with the contact is in progress.
pub async fn is_active(conn: &impl ConnectionTrait, subject: &Subject) -> Result<bool, DbErr> {
    let texts = outbox::Entity::find().filter(subject.in_threads(outbox::Column::AgencyId, outbox::Column::ThreadId));
    if texts.one(conn).await?.is_some() {
        return Ok(true);
    }
    let calls = call::Entity::find().filter(subject.calls()).filter(call::Column::EndedAt.is_null());
    Ok(calls.one(conn).await?.is_some())
}

/// A page of the quarantined texts of an agency, in the order of their ids.
pub async fn quarantined(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    after: Option<QuarantineId>,
    limit: u64,
) -> Result<Vec<quarantine::Model>, DbErr> {
    use quarantine::Column as Q;
    quarantine::Entity::find()
        .filter(Q::AgencyId.eq(agency))
        .filter(Condition::all().add_option(after.map(|after| Q::Id.gt(after))))
        .order_by_asc(Q::Id)
        .limit(limit)
        .all(conn)
        .await
}

/// Whether messages or calls are left, for example because a text has just arrived.
pub async fn has_messages_or_calls(conn: &impl Statements, subject: &Subject) -> Result<bool, DbErr> {
    use message::Column as M;
    let messages = message::Entity::find().filter(subject.in_threads(M::AgencyId, M::ThreadId)).limit(1);
    if !find(conn, messages).await?.is_empty() {
        return Ok(true);
    }
    Ok(!find(conn, call::Entity::find().filter(subject.calls()).limit(1)).await?.is_empty())
}

/// The threads with a contact now.
pub async fn threads(
    conn: &impl Statements,
    agency: AgencyId,
    contact: ContactId,
) -> Result<Vec<thread::Model>, DbErr> {
    let query = thread::Entity::find().filter(thread::Column::AgencyId.eq(agency));
    find(conn, query.filter(thread::Column::ContactId.eq(contact))).await
}

/// Deletes threads without messages and calls, with everything else that belongs to them.
pub async fn delete_threads(conn: &impl Statements, subject: &Subject) -> Result<(), DbErr> {
    use {activity::Column as A, draft::Column as D, read_mark::Column as R, thread::Column as T};
    if subject.threads.is_empty() {
        return Ok(());
    }
    change(conn, &draft::Entity::delete_many().filter(subject.in_threads(D::AgencyId, D::ThreadId))).await?;
    change(conn, &read_mark::Entity::delete_many().filter(subject.in_threads(R::AgencyId, R::ThreadId))).await?;
    change(conn, &activity::Entity::delete_many().filter(subject.in_threads(A::AgencyId, A::ThreadId))).await?;
    change(conn, &notification::Entity::delete_many().filter(subject.notifications())).await?;
    change(conn, &thread::Entity::delete_many().filter(subject.in_threads(T::AgencyId, T::Id))).await.map(drop)
}

/// Deletes a contact that has no threads. If `keeps_opt_out`, only its address and the time of the opt-out stay.
pub async fn delete_contact(
    conn: &impl Statements,
    agency: AgencyId,
    id: ContactId,
    keeps_opt_out: bool,
) -> Result<(), DbErr> {
    use contact::Column as C;
    if !keeps_opt_out {
        let row = contact::Entity::delete_many().filter(C::AgencyId.eq(agency)).filter(C::Id.eq(id));
        return change(conn, &row).await.map(drop);
    }
    let reduced = contact::ActiveModel {
        name: Set(None),
        name_folded: Set(None),
        sort_key: Set(sort_key(None)),
        note: Set(None),
        provider_user_id: Set(None),
        ..Default::default()
    };
    let row = contact::Entity::update_many().set(reduced).filter(C::AgencyId.eq(agency)).filter(C::Id.eq(id));
    change(conn, &row).await.map(drop)
}
