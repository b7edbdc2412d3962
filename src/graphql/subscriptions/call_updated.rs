use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::live::{EventView, Topic, resolve_event};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::CallUpdatedEvent;

#[derive(Default)]
pub(super) struct CallUpdatedSubscription;

#[Subscription]
impl CallUpdatedSubscription {
    /// Delivers an event when a call that the viewer may see begins or changes.
    async fn call_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Delivers the events after this cursor and then new ones. Default: only new events.")]
        after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<CallUpdatedEvent>>> {
        resolve_event(ctx, Topic::Calls, after, async |view| Ok(payload(&view)))
    }
}

fn payload(view: &EventView) -> Option<CallUpdatedEvent> {
    let (cursor, replayed) = (EventCursor(view.cursor), view.replayed);
    view.call().map(|call| CallUpdatedEvent { cursor, replayed, call })
}
