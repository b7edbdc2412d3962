use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::domain::EventKind;
use crate::graphql::errors::Result;
use crate::graphql::live::{EventView, Topic, resolve_event};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Message, ThreadUpdatedEvent};

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
    // The message whose status changed: an inbound one is new, not changed.
    let changed = view.context.message.clone().filter(|_| event.kind == EventKind::ThreadUpdated);
    let message = thread.as_ref().zip(changed).map(|(thread, row)| Message::within(thread, row));
    Some(ThreadUpdatedEvent { cursor: EventCursor(view.cursor), replayed: view.replayed, thread_id, thread, message })
}
