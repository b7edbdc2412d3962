use std::sync::Arc;

use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use super::follow::{Follower, Sight};
use crate::domain::EventKind;
use crate::graphql::errors::Result;
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Message, Thread, ThreadUpdatedEvent};
use crate::store::messages;

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
        Ok(Follower::begin(ctx, after).await?.deliver(pick))
    }
}

async fn pick(sight: Sight) -> Result<Option<ThreadUpdatedEvent>> {
    let event = &sight.followed.event;
    let (EventKind::InboundMessage | EventKind::ThreadUpdated, Some(id)) = (event.kind, event.thread_id) else {
        return Ok(None);
    };
    let thread = sight.thread(id).await?;
    if thread.is_none() && !event.is_lost_by(sight.viewer.id()) {
        return Ok(None);
    }
    let message = match &thread {
        Some(thread) => changed_message(&sight, thread).await?,
        None => None,
    };
    let (cursor, replayed) = (sight.cursor(), sight.followed.replayed);
    Ok(Some(ThreadUpdatedEvent { cursor, replayed, thread_id: id.into(), thread, message }))
}

/// The message whose status changed: an inbound one is new, not changed.
async fn changed_message(sight: &Sight, thread: &Thread) -> Result<Option<Message>> {
    let event = &sight.followed.event;
    let (EventKind::ThreadUpdated, Some(id)) = (event.kind, event.message_id) else { return Ok(None) };
    let rows = messages::by_ids(sight.caller.services.reader(), event.agency_id, &[id]).await;
    let row = rows.map_err(|error| sight.caller.fault(error))?.into_iter().next();
    Ok(row.map(|row| Message::within(thread, Arc::new(row))))
}
