use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::live::{EventView, Topic, resolve_event};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Notification, NotificationAddedEvent};

#[derive(Default)]
pub(super) struct NotificationAddedSubscription;

#[Subscription]
impl NotificationAddedSubscription {
    /// Delivers each new notification of the viewer.
    async fn notification_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Delivers the events after this cursor and then new ones. Default: only new events.")]
        after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<NotificationAddedEvent>>> {
        resolve_event(ctx, Topic::Notifications, after, payload)
    }
}

async fn payload(view: EventView) -> Result<Option<NotificationAddedEvent>> {
    let notifications = view.context.notifications().await.map_err(|error| view.requester.fault(error))?;
    Ok(notifications.get(&view.viewer.id()).map(|row| NotificationAddedEvent {
        cursor: EventCursor(view.cursor),
        replayed: view.replayed,
        notification: Notification::new(&view.viewer, row.clone()),
    }))
}
