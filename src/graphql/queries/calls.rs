use async_graphql::{Context, Object};

use crate::graphql::context::requester;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs};
use crate::graphql::types::Call;

#[derive(Default)]
pub(super) struct CallsQuery;

#[Object]
impl CallsQuery {
    /// The calls that the viewer may see, newest first: calls on numbers in whose pool the viewer is, in threads that
    /// the viewer may see, and to the viewer's voicemail. Of calls that the viewer took part in and may no longer see,
    /// only the viewer's own part is shown. ADMINs see all calls.
    async fn calls(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Call>> {
        let requester = requester(ctx)?;
        let viewer = requester.viewer().await?;
        Call::page(requester, &viewer, &PageArgs { first, after, last, before }).await
    }
}
