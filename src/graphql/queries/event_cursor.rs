use async_graphql::{Context, Object};

use crate::domain::cursor::Cursor;
use crate::graphql::context::{Caller, caller};
use crate::graphql::errors::Result;
use crate::graphql::scalars::EventCursor;
use crate::store::event_log;

/// Where the log ended before anything else of a request was read. The fields of a query are resolved
/// side by side: a cursor that was read beside the snapshot could be newer than it.
#[derive(Clone, Copy)]
pub(in crate::graphql) struct SnapshotCursor(EventCursor);

impl SnapshotCursor {
    /// Reads where the caller's log ends now.
    pub(in crate::graphql) async fn take(caller: &Caller) -> Result<Self> {
        let agency = caller.viewer().await?.agency();
        let head =
            event_log::head(caller.services.request_reader(), agency).await.map_err(|error| caller.fault(error))?;
        match head {
            Some(head) => Ok(Self(EventCursor(Cursor { agency, epoch: head.epoch, position: head.position }))),
            None => Err(caller.absent("log")),
        }
    }
}

#[derive(Default)]
pub(super) struct EventCursorQuery;

#[Object]
impl EventCursorQuery {
    /// Where the agency's log ends: take a snapshot in the same query or afterwards, then subscribe
    /// `after` this, and nothing is missed.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<EventCursor> {
        match ctx.data_opt::<SnapshotCursor>() {
            Some(taken) => Ok(taken.0),
            None => Ok(SnapshotCursor::take(caller(ctx)?).await?.0),
        }
    }
}
