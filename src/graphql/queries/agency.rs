use async_graphql::{Context, Object};

use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::types::Agency;

#[derive(Default)]
pub(super) struct AgencyQuery;

#[Object]
impl AgencyQuery {
    /// The agency of the viewer.
    async fn agency(&self, ctx: &Context<'_>) -> Result<Agency> {
        Ok(Agency::of(viewer(ctx).await?))
    }
}
