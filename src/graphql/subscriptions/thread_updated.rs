use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::domain::EventKind;
use crate::graphql::errors::Result;
use crate::graphql::live::{Sight, Topic, follow};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Message, ThreadUpdatedEvent};

#[derive(Default)]
pub(super) struct ThreadUpdatedSubscription;

#[Subscription]
impl ThreadUpdatedSubscription {
    /// Changes of threads that the viewer may see: a text came in, someone claimed it, a message was
    /// delivered. Of a thread that they may not see any more, one last event without the thread.
    async fn thread_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to go on from; from now on unless given.")] after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<ThreadUpdatedEvent>>> {
        follow(ctx, Topic::Threads, after, async |sight| Ok(pick(&sight)))
    }
}

fn pick(sight: &Sight) -> Option<ThreadUpdatedEvent> {
    let event = &sight.facts.event;
    let thread_id = event.thread_id?.into();
    let thread = sight.thread();
    // The message whose status changed: an inbound one is new, not changed.
    let changed = sight.facts.message.clone().filter(|_| event.kind == EventKind::ThreadUpdated);
    let message = thread.as_ref().zip(changed).map(|(thread, row)| Message::within(thread, row));
    Some(ThreadUpdatedEvent { cursor: EventCursor(sight.cursor), replayed: sight.replayed, thread_id, thread, message })
}
