use async_graphql::{Context, Object};

use crate::graphql::context::requester;
use crate::graphql::errors::Result;
use crate::graphql::types::Session;
use crate::service::sessions::renewed_until;

#[derive(Default)]
pub(super) struct SessionQuery;

#[Object]
impl SessionQuery {
    /// The session of the bearer token that authenticates the request.
    async fn session(&self, ctx: &Context<'_>) -> Result<Session> {
        let requester = requester(ctx)?;
        let identity = requester.identity();
        let renewable = renewed_until(identity, requester.services.clock.now()).is_some();
        Ok(Session { expires_at: identity.expires_at.into(), renewable })
    }
}
