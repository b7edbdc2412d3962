//! The timeline of a thread: its messages, calls and activity in one order.

use std::sync::Arc;

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Object, SimpleObject, Union};

use super::{Call, Message, Thread, ThreadActivity};
use crate::domain::ThreadId;
use crate::domain::access::CallVisibility;
use crate::entity::{activity, call, message};
use crate::graphql::context::loaders;
use crate::graphql::errors::Result;
use crate::graphql::loaders::{PageOf, ThreadList};
use crate::graphql::scalars::DateTime;
use crate::store::call_visibility::VisibleCall;
use crate::store::timeline::TimelineRow;

/// An item of a thread's timeline: a message, a call, or an entry of the thread's activity.
#[derive(Clone, Union)]
pub enum TimelineItem {
    Message(Message),
    Call(Call),
    ThreadActivity(ThreadActivity),
}

impl TimelineItem {
    /// A message of a thread that the viewer may see.
    pub fn message(thread: &Thread, row: &Arc<message::Model>) -> Self {
        Self::Message(Message::within(thread, Arc::clone(row)))
    }

    /// A call of a thread that the viewer may see, so the viewer sees the whole call.
    pub fn call(thread: &Thread, row: &Arc<call::Model>) -> Self {
        let viewer = thread.viewer();
        let visible = VisibleCall::new(Arc::clone(row), CallVisibility::Full, || viewer.id());
        Self::Call(Call::new(viewer, Arc::new(visible)))
    }

    /// An entry in the history of a thread that the viewer may see.
    pub fn activity(thread: &Thread, row: &Arc<activity::Model>) -> Self {
        Self::ThreadActivity(ThreadActivity::new(thread.viewer(), Arc::clone(row)))
    }

    fn of(thread: &Thread, row: &TimelineRow) -> Self {
        match row {
            TimelineRow::Message(row) => Self::message(thread, row),
            TimelineRow::Call(row) => Self::call(thread, row),
            TimelineRow::Activity(row) => Self::activity(thread, row),
        }
    }
}

/// One item of a timeline, with its cursor.
#[derive(Clone, SimpleObject)]
pub(super) struct TimelineEdge {
    /// The cursor of the item, for the arguments `after` and `before` of the same timeline.
    cursor: String,
    /// The time of the item: the `createdAt` of a message or an activity entry, the `startedAt` of a call.
    at: DateTime,
    /// The item at this position of the timeline.
    node: TimelineItem,
}

pub(super) struct TimelineConnection {
    thread: ThreadId,
    edges: Vec<TimelineEdge>,
    has_next: bool,
    has_previous: bool,
}

impl TimelineConnection {
    pub(super) fn new(thread: &Thread, page: PageOf<TimelineRow>) -> Self {
        let edge = |row: &Arc<TimelineRow>| {
            let key = row.key();
            TimelineEdge { cursor: key.to_string(), at: key.at.into(), node: TimelineItem::of(thread, row) }
        };
        Self {
            thread: thread.thread_id(),
            edges: page.rows.iter().map(edge).collect(),
            has_next: page.has_next,
            has_previous: page.has_previous,
        }
    }
}

/// One page of a timeline, as defined by the Relay connection specification. Invalid pagination arguments give an error
/// with the code BAD_USER_INPUT.
#[Object]
impl TimelineConnection {
    /// The items of this page, each with its cursor and time.
    async fn edges(&self) -> &[TimelineEdge] {
        &self.edges
    }

    /// The items of this page without their cursors.
    async fn nodes(&self) -> Vec<TimelineItem> {
        self.edges.iter().map(|edge| edge.node.clone()).collect()
    }

    /// The cursors of this page's first and last item, and whether there are items before and after the page.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_next,
            has_previous_page: self.has_previous,
            start_cursor: self.edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: self.edges.last().map(|edge| edge.cursor.clone()),
        }
    }

    /// The total number of items in the timeline, on all pages. It is counted only if this field is selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i64> {
        loaders(ctx)?.count(ThreadList::Timeline, self.thread).await
    }
}
