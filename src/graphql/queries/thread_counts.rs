use async_graphql::{Context, ID, Object};

use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::ThreadCounts;

#[derive(Default)]
pub(super) struct ThreadCountsQuery;

#[Object]
impl ThreadCountsQuery {
    /// The numbers of threads that the viewer may see, by state. Each is counted up to 1,000, so 1,000 means 1,000 or
    /// more.
    async fn thread_counts(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Counts only the threads of the phone numbers with these IDs. An empty list means all. Default: all phone \
                    numbers."
        )]
        phone_number_ids: Option<Vec<ID>>,
    ) -> Result<ThreadCounts> {
        match ids::parse_some(&phone_number_ids.unwrap_or_default()) {
            Some(numbers) => ThreadCounts::read(ctx, &*viewer(ctx).await?, numbers).await,
            None => Ok(ThreadCounts::default()),
        }
    }
}
