use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::domain::EventKind;
use crate::graphql::errors::Result;
use crate::graphql::live::{EventView, Topic, resolve_event};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{ThreadChange, ThreadUpdatedEvent};

#[derive(Default)]
pub(super) struct ThreadUpdatedSubscription;

#[Subscription]
impl ThreadUpdatedSubscription {
    /// Delivers an event when a thread that the viewer may see changes, for example because a text arrives, a user
    /// claims it, or the status of a message changes. If the viewer loses access to a thread, a final event arrives
    /// with `thread: null`.
    async fn thread_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Delivers the events after this cursor and then new ones. Default: only new events.")]
        after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<ThreadUpdatedEvent>>> {
        resolve_event(ctx, Topic::Threads, after, async |view| Ok(payload(&view)))
    }
}

fn payload(view: &EventView) -> Option<ThreadUpdatedEvent> {
    let event = &view.context.event;
    let thread_id = event.thread_id?.into();
    let thread = view.thread();
    let item = thread.as_ref().and_then(|thread| view.timeline_item(thread));
    let (cursor, replayed, change) = (EventCursor(view.cursor), view.replayed, change(event.kind));
    Some(ThreadUpdatedEvent { cursor, replayed, thread_id, thread, change, item })
}

fn change(kind: EventKind) -> ThreadChange {
    match kind {
        EventKind::InboundMessage => ThreadChange::Inbound,
        EventKind::OutboundMessage => ThreadChange::Outbound,
        EventKind::MessageStatus => ThreadChange::Status,
        EventKind::CallUpdated => ThreadChange::Call,
        EventKind::ContactUpdated => ThreadChange::Contact,
        // The others are not delivered here.
        EventKind::ThreadActivity
        | EventKind::DirectoryUpdated
        | EventKind::ThreadRead
        | EventKind::DraftChanged
        | EventKind::NotificationRead => ThreadChange::Activity,
    }
}
