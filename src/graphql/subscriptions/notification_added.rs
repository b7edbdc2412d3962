use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::live::{Sight, Topic, follow};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Notification, NotificationAddedEvent};

#[derive(Default)]
pub(super) struct NotificationAddedSubscription;

#[Subscription]
impl NotificationAddedSubscription {
    /// What the viewer is told.
    async fn notification_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to go on from; from now on unless given.")] after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<NotificationAddedEvent>>> {
        follow(ctx, Topic::Notifications, after, pick)
    }
}

async fn pick(sight: Sight) -> Result<Option<NotificationAddedEvent>> {
    let told = sight.facts.told().await.map_err(|error| sight.caller.fault(error))?;
    Ok(told.get(&sight.viewer.id()).map(|row| NotificationAddedEvent {
        cursor: EventCursor(sight.cursor),
        replayed: sight.replayed,
        notification: Notification::new(&sight.viewer, row.clone()),
    }))
}
