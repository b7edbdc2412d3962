use async_graphql::{Context, ID, Subscription};
use futures_util::stream::BoxStream;

use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::live::{State, SubscriptionArguments, resolve_state};
use crate::graphql::types::Presence;

#[derive(Default)]
pub(super) struct PresenceUpdatedSubscription;

#[Subscription]
impl PresenceUpdatedSubscription {
    /// Delivers an event when the presence of a user begins, changes or ends in a thread that the viewer may see. It has
    /// no cursor and replays nothing: query `Thread.presence` after a disconnect or a RESUME error.
    async fn presence_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Delivers the presence in the thread with this ID only. Default: all threads.")] //
        thread_id: Option<ID>,
    ) -> Result<BoxStream<'static, Result<Presence>>> {
        // A malformed ID is that of a thread in which nobody is.
        let threads = thread_id.map(|id| ids::parse(&id).into_iter().collect());
        resolve_state(ctx, SubscriptionArguments::Presence { threads }, |viewer, state| match state {
            State::Presence(presence) => Presence::new(viewer, presence),
            State::ThreadCounts(_) => None,
        })
    }
}
