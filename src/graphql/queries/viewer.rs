use async_graphql::{Context, Object};

use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::types::User;

#[derive(Default)]
pub(super) struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// The user whose bearer token authenticates the request.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<User> {
        let viewer = viewer(ctx).await?;
        Ok(User::new(&viewer, viewer.user().clone()))
    }
}
