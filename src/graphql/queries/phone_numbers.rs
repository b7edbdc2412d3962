use async_graphql::{Context, Object};

use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::PhoneNumber;

#[derive(Default)]
pub(super) struct PhoneNumbersQuery;

#[Object]
impl PhoneNumbersQuery {
    /// The agency's numbers, in their order; the released too.
    async fn phone_numbers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<PhoneNumber>> {
        let viewer = viewer(ctx).await?;
        let numbers = &viewer.directory.numbers;
        let page = PageArgs { first, after, last, before }.cut(numbers, |row| row.id.to_string(), |_| true)?;
        Ok(Connection::new(page.map(|row| PhoneNumber::new(&viewer, row)), Total::Known(numbers.len())))
    }
}
