use async_graphql::{Context, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::live::{EventView, Topic, ViewerEvent, resolve_event};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Notification, PhoneNumber, ViewerChange, ViewerUpdatedEvent};

#[derive(Default)]
pub(super) struct ViewerUpdatedSubscription;

#[Subscription]
impl ViewerUpdatedSubscription {
    /// Delivers changes that concern only the viewer, so that the viewer's other windows stay up to date: read marks,
    /// drafts, notifications that were read or resolved, and gained or lost access.
    async fn viewer_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Delivers the events after this cursor and then new ones. Default: only new events.")]
        after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<ViewerUpdatedEvent>>> {
        resolve_event(ctx, Topic::Viewer, after, payload)
    }
}

async fn payload(view: EventView) -> Result<Option<ViewerUpdatedEvent>> {
    let change = view.context.viewer_change(&view.viewer, view.viewer.id()).await;
    let Some(change) = change.map_err(|error| view.requester.fault(error))? else { return Ok(None) };
    let (kind, notification, phone_number) = match &change {
        ViewerEvent::ThreadRead => (ViewerChange::ThreadRead, None, None),
        ViewerEvent::Draft => (ViewerChange::Draft, None, None),
        ViewerEvent::NotificationRead(row) => (ViewerChange::NotificationRead, Some(row.clone()), None),
        ViewerEvent::NotificationResolved => (ViewerChange::NotificationResolved, None, None),
        ViewerEvent::Access(number) => (ViewerChange::Access, None, *number),
    };
    let is_about_thread = matches!(change, ViewerEvent::ThreadRead | ViewerEvent::Draft) || view.thread().is_some();
    let thread_id = view.context.event.thread_id.filter(|_| is_about_thread);
    Ok(Some(ViewerUpdatedEvent {
        cursor: EventCursor(view.cursor),
        replayed: view.replayed,
        change: kind,
        thread_id: thread_id.map(Into::into),
        thread: view.thread(),
        notification: notification.map(|row| Notification::new(&view.viewer, row)),
        phone_number: phone_number.and_then(|number| PhoneNumber::find(&view.viewer, number)),
    }))
}
