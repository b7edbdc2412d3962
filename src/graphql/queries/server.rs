use async_graphql::{Context, Object};

use crate::graphql::ServerFacts;
use crate::graphql::types::Server;

#[derive(Default)]
pub(super) struct ServerQuery;

#[Object]
impl ServerQuery {
    /// The server that answers the request: its version, mode and optional features.
    async fn server(&self, ctx: &Context<'_>) -> Server {
        Server::new(ctx.data_opt::<ServerFacts>().copied().unwrap_or_default())
    }
}
