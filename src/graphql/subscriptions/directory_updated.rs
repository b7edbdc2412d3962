use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::live::{Sight, Topic, follow};
use crate::graphql::loaders::Loaders;
use crate::graphql::node::find;
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::DirectoryUpdatedEvent;

#[derive(Default)]
pub(super) struct DirectoryUpdatedSubscription;

#[Subscription]
impl DirectoryUpdatedSubscription {
    /// Changes of the agency's pools, assignments, extensions, users and numbers; the viewer's own
    /// access is among them.
    async fn directory_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to go on from; from now on unless given.")] after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<DirectoryUpdatedEvent>>> {
        follow(ctx, Topic::Directory, after, pick)
    }
}

async fn pick(sight: Sight) -> Result<Option<DirectoryUpdatedEvent>> {
    let Some(id) = &sight.facts.event.node_id else { return Ok(None) };
    let node = find(&sight.caller, &Loaders::new(&sight.caller), &sight.viewer, id).await?;
    let (cursor, replayed) = (EventCursor(sight.cursor), sight.replayed);
    Ok(Some(DirectoryUpdatedEvent { cursor, replayed, node, node_id: id.into() }))
}
