use async_graphql::{Context, Object};

use crate::domain::cursor::Cursor;
use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::scalars::EventCursor;
use crate::store::event_log;

#[derive(Default)]
pub(super) struct EventCursorQuery;

#[Object]
impl EventCursorQuery {
    /// Where the agency's log ends now. Ask for it first, take a snapshot, then subscribe `after` it:
    /// nothing is missed.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<EventCursor> {
        let caller = caller(ctx)?;
        let agency = caller.viewer().await?.agency();
        let head = event_log::head(caller.services.reader(), agency).await.map_err(|error| caller.fault(error))?;
        match head {
            Some(head) => Ok(EventCursor(Cursor { agency, epoch: head.epoch, position: head.position })),
            None => Err(caller.absent("log")),
        }
    }
}
