//! The timelines of threads: messages, calls and activity, merged in the order of their times, then of their ids.

use std::sync::Arc;

use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, Order, QueryFilter as _};

use super::batched_pages;
use super::page::{Key, Page, Window};
use crate::domain::{ActivityId, AgencyId, CallId, MessageId, ThreadId};
use crate::entity::{activity, call, message};

/// One item of a timeline.
#[derive(Debug, Clone)]
pub enum TimelineRow {
    Message(Arc<message::Model>),
    Call(Arc<call::Model>),
    Activity(Arc<activity::Model>),
}

impl TimelineRow {
    /// The position in the timeline.
    pub fn key(&self) -> Key {
        match self {
            Self::Message(row) => Key { at: row.created_at, id: row.id.0 },
            Self::Call(row) => Key { at: row.started_at, id: row.id.0 },
            Self::Activity(row) => Key { at: row.created_at, id: row.id.0 },
        }
    }

    fn thread(&self) -> Option<ThreadId> {
        match self {
            Self::Message(row) => Some(row.thread_id),
            Self::Call(row) => row.thread_id,
            Self::Activity(row) => Some(row.thread_id),
        }
    }
}

/// For each thread, one page of its timeline, oldest item first. The pages are in the order of `parts`. Takes three
/// statements, however many threads there are. Does not check the visibility of the threads.
pub async fn pages(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<TimelineRow>>, DbErr> {
    use {activity::Column as A, call::Column as C, message::Column as M};
    let messages = parts.iter().map(|(thread, window)| {
        let rows = message::Entity::find().filter(M::AgencyId.eq(agency)).filter(M::ThreadId.eq(*thread));
        (rows, *window)
    });
    let calls = parts.iter().map(|(thread, window)| {
        let rows = call::Entity::find().filter(C::AgencyId.eq(agency)).filter(C::ThreadId.eq(*thread));
        (rows, *window)
    });
    let activities = parts.iter().map(|(thread, window)| {
        let rows = activity::Entity::find().filter(A::AgencyId.eq(agency)).filter(A::ThreadId.eq(*thread));
        (rows, *window)
    });
    let messages = batched_pages::pages(conn, messages.collect(), &Order::Asc, M::CreatedAt, M::Id).await?;
    let calls = batched_pages::pages(conn, calls.collect(), &Order::Asc, C::StartedAt, C::Id).await?;
    let activities = batched_pages::pages(conn, activities.collect(), &Order::Asc, A::CreatedAt, A::Id).await?;
    let merged = parts.iter().zip(messages).zip(calls).zip(activities);
    Ok(merged
        .map(|((((_, window), messages), calls), activities)| {
            let messages = messages.map(|row| TimelineRow::Message(Arc::new(row)));
            let calls = calls.map(|row| TimelineRow::Call(Arc::new(row)));
            let activities = activities.map(|row| TimelineRow::Activity(Arc::new(row)));
            window.merge([messages, calls, activities], TimelineRow::key)
        })
        .collect())
}

/// An item of any kind by its id.
#[derive(Debug, Clone, Copy)]
pub enum TimelineId {
    Message(MessageId),
    Call(CallId),
    Activity(ActivityId),
}

impl TimelineId {
    /// Parses the external form. `None` if it is not the id of a timeline item.
    pub fn parse(text: &str) -> Option<Self> {
        let message = || text.parse().ok().map(Self::Message);
        let call = || text.parse().ok().map(Self::Call);
        message().or_else(call).or_else(|| text.parse().ok().map(Self::Activity))
    }
}

/// The position of an item in the timeline of this thread; `None` if the thread has no such item.
pub async fn position(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
    id: TimelineId,
) -> Result<Option<Key>, DbErr> {
    let row = match id {
        TimelineId::Message(id) => {
            message::Entity::find_by_id((agency, id)).one(conn).await?.map(|row| TimelineRow::Message(Arc::new(row)))
        }
        TimelineId::Call(id) => {
            call::Entity::find_by_id((agency, id)).one(conn).await?.map(|row| TimelineRow::Call(Arc::new(row)))
        }
        TimelineId::Activity(id) => {
            activity::Entity::find_by_id((agency, id)).one(conn).await?.map(|row| TimelineRow::Activity(Arc::new(row)))
        }
    };
    Ok(row.filter(|row| row.thread() == Some(thread)).map(|row| row.key()))
}
