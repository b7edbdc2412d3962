use async_graphql::{Context, Object};

use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs};
use crate::graphql::types::Call;

#[derive(Default)]
pub(super) struct CallsQuery;

#[Object]
impl CallsQuery {
    /// The calls that the viewer may see, newest first: those on numbers in whose pool the viewer is, in threads that the
    /// viewer may see, and to the viewer's mailbox; of calls that the viewer took part in and may not see any more, their
    /// own part. ADMINs see all calls.
    async fn calls(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Call>> {
        let caller = caller(ctx)?;
        let viewer = caller.viewer().await?;
        Call::page(caller, &viewer, &PageArgs { first, after, last, before }).await
    }
}
