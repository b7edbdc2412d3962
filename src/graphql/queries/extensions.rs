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
    /// The agency's extensions, by their digits.
    async fn extensions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Also those that are deactivated.", default_with = "Some(false)")] include_inactive: Option<
            bool,
        >,
    ) -> Result<Connection<Extension>> {
        let viewer = viewer(ctx).await?;
        let rows = &viewer.directory.extensions;
        let all = include_inactive.unwrap_or(false);
        let keep = |row: &extension::Model| all || row.live == Some(true);
        let total = rows.iter().filter(|row| keep(row)).count();
        let page = PageArgs { first, after, last, before }.cut(rows, |row| row.id.to_string(), keep)?;
        Ok(Connection::new(page.map(|row| Extension::new(&viewer, row)), Total::Known(total)))
    }
}
