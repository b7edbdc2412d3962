use async_graphql::{Context, ID, Object};

use crate::graphql::context::{loaders, requester};
use crate::graphql::errors::Result;
use crate::graphql::node::{Node, find};

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
}
