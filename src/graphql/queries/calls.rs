use async_graphql::{Context, Object};

use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs};
use crate::graphql::types::Call;

#[derive(Default)]
pub(super) struct CallsQuery;

#[Object]
impl CallsQuery {
    /// The calls of the numbers that the viewer shares, and those that concern them otherwise, newest first; to
    /// ADMINs all.
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
