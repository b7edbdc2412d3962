use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::live::{EventView, Topic, resolve_event};
use crate::graphql::loaders::Loaders;
use crate::graphql::node::find;
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::DirectoryUpdatedEvent;

#[derive(Default)]
pub(super) struct DirectoryUpdatedSubscription;

#[Subscription]
impl DirectoryUpdatedSubscription {
    /// Delivers an event when a pool, an assignment, an extension, a user or a phone number of the agency changes. This
    /// includes changes of the viewer's own access.
    async fn directory_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Delivers the events after this cursor and then new ones. Default: only new events.")]
        after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<DirectoryUpdatedEvent>>> {
        resolve_event(ctx, Topic::Directory, after, payload)
    }
}

async fn payload(view: EventView) -> Result<Option<DirectoryUpdatedEvent>> {
    let Some(id) = &view.context.event.node_id else { return Ok(None) };
    let node = find(&view.requester, &Loaders::new(&view.requester), &view.viewer, id).await?;
    let (cursor, replayed) = (EventCursor(view.cursor), view.replayed);
    Ok(Some(DirectoryUpdatedEvent { cursor, replayed, node, node_id: id.into() }))
}
