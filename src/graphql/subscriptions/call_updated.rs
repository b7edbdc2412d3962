use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::live::{Sight, Topic, follow};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::CallUpdatedEvent;

#[derive(Default)]
pub(super) struct CallUpdatedSubscription;

#[Subscription]
impl CallUpdatedSubscription {
    /// Calls that begin, or get further, of those that the viewer may see.
    async fn call_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to go on from; from now on unless given.")] after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<CallUpdatedEvent>>> {
        follow(ctx, Topic::Calls, after, async |sight| Ok(pick(&sight)))
    }
}

fn pick(sight: &Sight) -> Option<CallUpdatedEvent> {
    let (cursor, replayed) = (EventCursor(sight.cursor), sight.replayed);
    sight.call().map(|call| CallUpdatedEvent { cursor, replayed, call })
}
