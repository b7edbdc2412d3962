use async_graphql::{Context, Object};

use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::User;

#[derive(Default)]
pub(super) struct UsersQuery;

#[Object]
impl UsersQuery {
    /// The agency's staff, by name; the inactive too.
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<User>> {
        let viewer = viewer(ctx).await?;
        let users = &viewer.directory.users;
        let page = PageArgs { first, after, last, before }.cut(users, |row| row.id.to_string(), |_| true)?;
        Ok(Connection::new(page.map(|row| User::new(&viewer, row)), Total::Known(users.len())))
    }
}
