use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use super::follow::{Follower, Sight};
use crate::domain::EventKind;
use crate::graphql::errors::Result;
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Notification, NotificationAddedEvent};
use crate::store::notifications;

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
        Ok(Follower::begin(ctx, after).await?.deliver(pick))
    }
}

async fn pick(sight: Sight) -> Result<Option<NotificationAddedEvent>> {
    let (event, viewer) = (&sight.followed.event, &sight.viewer);
    if event.kind == EventKind::DirectoryUpdated {
        return Ok(None);
    }
    let conn = sight.caller.services.reader();
    let row = notifications::of_event(conn, event.agency_id, event.position, viewer.id()).await;
    let row = row.map_err(|error| sight.caller.fault(error))?;
    Ok(row.map(|row| NotificationAddedEvent {
        cursor: sight.cursor(),
        replayed: sight.followed.replayed,
        notification: Notification::new(viewer, row),
    }))
}
