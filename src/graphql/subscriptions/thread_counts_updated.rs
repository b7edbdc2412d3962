use async_graphql::{Context, ID, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::live::{State, SubscriptionArguments, resolve_state};
use crate::graphql::types::ThreadCounts;

#[derive(Default)]
pub(super) struct ThreadCountsUpdatedSubscription;

#[Subscription]
impl ThreadCountsUpdatedSubscription {
    /// Delivers the viewer's current thread counts, and the new counts whenever one changes, at most once per second. It
    /// has no cursor; after a disconnect, the current counts are delivered first.
    async fn thread_counts_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Counts only the threads of the phone numbers with these IDs. An empty list means all. Default: all phone \
                    numbers."
        )]
        phone_number_ids: Option<Vec<ID>>,
    ) -> Result<BoxStream<'static, Result<ThreadCounts>>> {
        let numbers = ids::parse_some(&phone_number_ids.unwrap_or_default());
        resolve_state(ctx, SubscriptionArguments::ThreadCounts { numbers }, |_, state| match state {
            State::ThreadCounts(counts) => Some(*counts),
            State::Presence(_) => None,
        })
    }
}
