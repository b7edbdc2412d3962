use async_graphql::{Context, Object};

use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::PhoneNumber;

#[derive(Default)]
pub(super) struct PhoneNumbersQuery;

#[Object]
impl PhoneNumbersQuery {
    /// The phone numbers of the agency in ascending order, including released ones.
    async fn phone_numbers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<PhoneNumber>> {
        let viewer = viewer(ctx).await?;
        let numbers = &viewer.directory.numbers;
        let page = PageArgs { first, after, last, before }.paginate(numbers, |row| row.id.to_string(), |_| true)?;
        Ok(Connection::new(page.map(|row| PhoneNumber::new(&viewer, row)), Total::Known(numbers.len())))
    }
}
