use async_graphql::{Context, ID, Object};
use futures_util::future::try_join_all;

use crate::graphql::context::{loaders, requester};
use crate::graphql::errors::{Failure, Result};
use crate::graphql::node::{Node, find};

/// The maximum number of IDs of one `nodes` field.
const MAX_NODES: usize = 100;

#[derive(Default)]
pub(super) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this ID. Null if it does not exist, or if the viewer may not see it.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID of any object that implements `Node`.")] id: ID,
    ) -> Option<Result<Node>> {
        let found = async {
            let requester = requester(ctx)?;
            find(requester, loaders(ctx)?, &requester.viewer().await?, &id).await
        };
        found.await.transpose()
    }

    /// The objects with these IDs, in the same order. An item is null if its object does not exist, or if the viewer
    /// may not see it.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The IDs of any objects that implement `Node`, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > MAX_NODES {
            return Err(Failure::bad_input(format!("`ids` can have at most {MAX_NODES} items.")));
        }
        let (requester, loaders) = (requester(ctx)?, loaders(ctx)?);
        let viewer = requester.viewer().await?;
        try_join_all(ids.iter().map(|id| find(requester, loaders, &viewer, id))).await
    }
}
