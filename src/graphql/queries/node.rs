use async_graphql::{Context, ID, Object};

use crate::graphql::context::{caller, loaders};
use crate::graphql::errors::Result;
use crate::graphql::node::{Node, find};

#[derive(Default)]
pub(super) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The thing with this id; null if there is none that the viewer may see.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Any id of this API.")] id: ID) -> Option<Result<Node>> {
        let found = async {
            let caller = caller(ctx)?;
            find(caller, loaders(ctx)?, &caller.viewer().await?, &id).await
        };
        found.await.transpose()
    }
}
