use async_graphql::{Context, Object};

use crate::entity::extension;
use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::Extension;

#[derive(Default)]
pub(super) struct ExtensionsQuery;

#[Object]
impl ExtensionsQuery {
    /// The extensions of the agency, ordered by their digits. Deactivated extensions are not included by default.
    async fn extensions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
        #[graphql(desc = "True to include deactivated extensions. Default: false.", default_with = "Some(false)")]
        include_inactive: Option<bool>,
    ) -> Result<Connection<Extension>> {
        let viewer = viewer(ctx).await?;
        let rows = &viewer.directory.extensions;
        let all = include_inactive.unwrap_or(false);
        let keep = |row: &extension::Model| all || row.live == Some(true);
        let total = rows.iter().filter(|row| keep(row)).count();
        let page = PageArgs { first, after, last, before }.paginate(rows, |row| row.id.to_string(), keep)?;
        Ok(Connection::new(page.map(|row| Extension::new(&viewer, row)), Total::Known(total)))
    }
}
