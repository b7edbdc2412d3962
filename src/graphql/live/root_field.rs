//! The root fields of the subscription type. async-graphql executes a root field twice for each subscription: when the
//! subscription begins, to read its arguments, and then once per event.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use async_graphql::Context;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use super::event_context::EventContext;
use crate::domain::access::CallVisibility;
use crate::domain::cursor::Cursor;
use crate::domain::{EventKind, PhoneNumberId, ThreadId};
use crate::entity::event;
use crate::events::presence::Presence;
use crate::graphql::context::Requester;
use crate::graphql::errors::{Code, Failure, Result};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Call, Thread, ThreadCounts, TimelineItem};
use crate::service::Viewer;
use crate::store::call_visibility::VisibleCall;

/// The events that a subscription field delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphql) enum Topic {
    InboundMessages,
    Threads,
    Notifications,
    Calls,
    Directory,
    /// The viewer's own other windows.
    Viewer,
}

impl Topic {
    /// Whether the topic can include the event; this does not check permissions.
    pub(super) fn includes(self, event: &event::Model) -> bool {
        match self {
            Self::InboundMessages => event.kind == EventKind::InboundMessage,
            Self::Threads => event.thread_id.is_some() && !event.kind.is_personal(),
            Self::Notifications => {
                !event.kind.is_personal() && (event.kind != EventKind::DirectoryUpdated || event.is_about_agency())
            }
            Self::Calls => event.kind == EventKind::CallUpdated,
            Self::Directory => event.kind == EventKind::DirectoryUpdated,
            Self::Viewer => match event.kind {
                EventKind::ThreadRead
                | EventKind::DraftChanged
                | EventKind::NotificationRead
                | EventKind::ThreadActivity
                | EventKind::MessageStatus
                | EventKind::CallUpdated => true,
                EventKind::DirectoryUpdated => !event.is_about_agency(),
                EventKind::InboundMessage | EventKind::OutboundMessage | EventKind::ContactUpdated => false,
            },
        }
    }
}

/// The arguments of a subscription's root field.
#[derive(Debug, Clone)]
pub(in crate::graphql) enum SubscriptionArguments {
    /// Events of the log.
    Log {
        topic: Topic,
        /// The subscription begins after this cursor; `None` for the head of the log.
        after: Option<EventCursor>,
    },
    Presence {
        /// The presence in these threads only; `None` for all threads.
        threads: Option<Vec<ThreadId>>,
    },
    ThreadCounts {
        /// Counts the threads on these numbers, or on all if there are none. `None`: none of the given numbers exists.
        numbers: Option<Vec<PhoneNumberId>>,
    },
}

/// State that is not in the log.
#[derive(Debug, Clone, Copy)]
pub(in crate::graphql) enum State {
    Presence(Presence),
    ThreadCounts(ThreadCounts),
}

/// One event as a viewer may see it.
#[derive(Clone)]
pub(in crate::graphql) struct EventView {
    pub(in crate::graphql) requester: Requester,
    pub(in crate::graphql) viewer: Arc<Viewer>,
    pub(in crate::graphql) context: Arc<EventContext>,
    /// The position after the event.
    pub(in crate::graphql) cursor: Cursor,
    /// Whether the event was committed before the subscription began.
    pub(in crate::graphql) replayed: bool,
    pub(super) visibility: Visibility,
}

/// How much a viewer may see of the thread or, for [`Topic::Calls`], of the call that an event refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Visibility {
    Nothing,
    /// The whole thread; threads are never visible in part.
    Thread,
    Call(CallVisibility),
}

impl EventView {
    /// The current state of the event's thread, if the viewer may see it.
    pub(in crate::graphql) fn thread(&self) -> Option<Thread> {
        let row = self.context.thread.as_ref().filter(|_| self.visibility == Visibility::Thread)?;
        Some(Thread::new(&self.viewer, Arc::clone(row)))
    }

    /// The item that was added or changed in the timeline of the thread that [`thread`](Self::thread) returned.
    pub(in crate::graphql) fn timeline_item(&self, thread: &Thread) -> Option<TimelineItem> {
        let context = &self.context;
        if let Some(row) = &context.call {
            return Some(TimelineItem::call(thread, row));
        }
        if let Some(row) = &context.activity {
            return Some(TimelineItem::activity(thread, row));
        }
        context.message.as_ref().map(|row| TimelineItem::message(thread, row))
    }

    /// The current state of the event's call, as far as the viewer may see it.
    pub(in crate::graphql) fn call(&self) -> Option<Call> {
        let Visibility::Call(sight) = self.visibility else { return None };
        let row = Arc::clone(self.context.call.as_ref()?);
        Some(Call::new(&self.viewer, Arc::new(VisibleCall::new(row, sight, || self.viewer.id()))))
    }
}

/// The purpose of an execution, stored in its request data.
#[derive(Clone)]
pub(super) enum ExecutionPhase {
    /// The subscription begins: the root field stores its arguments here.
    Begin(Arc<OnceLock<SubscriptionArguments>>),
    /// The root field resolves this event.
    Event(Box<EventView>),
    /// The root field resolves this state.
    State(Arc<Viewer>, State),
}

/// Resolves a root field of the subscription type. `resolve` returns the field's value for an event, or `None` if the
/// field's arguments exclude the event.
pub(in crate::graphql) fn resolve_event<T, F, Fut>(
    ctx: &Context<'_>,
    topic: Topic,
    after: Option<EventCursor>,
    resolve: F,
) -> Result<BoxStream<'static, Result<T>>>
where
    T: Send + 'static,
    F: FnOnce(EventView) -> Fut,
    Fut: Future<Output = Result<Option<T>>> + Send + 'static,
{
    match ctx.data_opt::<ExecutionPhase>() {
        Some(ExecutionPhase::Begin(arguments)) => {
            // A subscription has exactly one root field, so the cell is empty.
            let _ = arguments.set(SubscriptionArguments::Log { topic, after });
            Ok(stream::empty().boxed())
        }
        Some(ExecutionPhase::Event(view)) => {
            let resolved = resolve((**view).clone());
            Ok(stream::once(resolved).filter_map(|value| std::future::ready(value.transpose())).boxed())
        }
        Some(ExecutionPhase::State(..)) => Ok(stream::empty().boxed()),
        None => Err(not_over_http()),
    }
}

/// Resolves a root field of the subscription type whose events are not in the log. `resolve` returns the field's value.
pub(in crate::graphql) fn resolve_state<T: Send + 'static>(
    ctx: &Context<'_>,
    arguments: SubscriptionArguments,
    resolve: impl FnOnce(&Arc<Viewer>, &State) -> Option<T>,
) -> Result<BoxStream<'static, Result<T>>> {
    match ctx.data_opt::<ExecutionPhase>() {
        Some(ExecutionPhase::Begin(cell)) => {
            // A subscription has exactly one root field, so the cell is empty.
            let _ = cell.set(arguments);
            Ok(stream::empty().boxed())
        }
        Some(ExecutionPhase::State(viewer, state)) => Ok(stream::iter(resolve(viewer, state).map(Ok)).boxed()),
        Some(ExecutionPhase::Event(_)) => Ok(stream::empty().boxed()),
        None => Err(not_over_http()),
    }
}

fn not_over_http() -> Failure {
    Failure::new(Code::BadUserInput, "Subscriptions are served at /graphql/ws.")
}
