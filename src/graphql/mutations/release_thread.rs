use async_graphql::{Context, Object};

use super::mutation_context::{MutationContext, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::release_thread::release_thread;

#[derive(Default)]
pub(super) struct ReleaseThreadMutation;

#[Object]
impl ReleaseThreadMutation {
    /// Releases a thread: it becomes UNCLAIMED and its pool is notified. Releasing an unclaimed thread changes nothing.
    /// For the thread's assignee and ADMINs. Errors: NOT_FOUND, NOT_ASSIGNEE, CONFLICT (the thread is closed).
    async fn release_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `releaseThread`.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.thread_id() {
            Ok(thread) => release_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        mutation.thread_payload(outcome).await
    }
}
