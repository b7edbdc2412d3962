use async_graphql::{Context, Object};

use crate::domain::cursor::Cursor;
use crate::graphql::context::{Requester, requester};
use crate::graphql::errors::Result;
use crate::graphql::scalars::EventCursor;
use crate::store::event_log;

/// The end of the log before any other field of the request was read. The fields of a query are resolved concurrently,
/// so a cursor that is read next to a snapshot could be newer than the snapshot, and events would be missed.
#[derive(Clone, Copy)]
pub(in crate::graphql) struct SnapshotCursor(EventCursor);

impl SnapshotCursor {
    /// Reads the current end of the log of the requester's agency.
    pub(in crate::graphql) async fn read(requester: &Requester) -> Result<Self> {
        let agency = requester.viewer().await?.agency();
        let head = event_log::head(requester.services.request_reader(), agency)
            .await
            .map_err(|error| requester.fault(error))?;
        match head {
            Some(head) => Ok(Self(EventCursor(Cursor { agency, epoch: head.epoch, position: head.position }))),
            None => Err(requester.missing_reference("log")),
        }
    }
}

#[derive(Default)]
pub(super) struct EventCursorQuery;

#[Object]
impl EventCursorQuery {
    /// The cursor of the newest event in the agency's log. To load a snapshot and miss no later change, select this
    /// field in the same query as the snapshot or before it, then subscribe with `after` set to it.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<EventCursor> {
        match ctx.data_opt::<SnapshotCursor>() {
            Some(taken) => Ok(taken.0),
            None => Ok(SnapshotCursor::read(requester(ctx)?).await?.0),
        }
    }
}
