use async_graphql::{Context, Object};

use super::mutation_context::{MutationContext, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::claim_thread::claim_thread;

#[derive(Default)]
pub(super) struct ClaimThreadMutation;

#[Object]
impl ClaimThreadMutation {
    /// Makes the viewer the assignee of a thread that has none. If several users claim it at the same time, exactly one
    /// succeeds; the others get a `ThreadAlreadyClaimedError` that names the winner. Claiming a thread that the viewer
    /// already holds changes nothing. Errors: NOT_FOUND, ALREADY_CLAIMED.
    async fn claim_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `claimThread`.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.thread_id() {
            Ok(thread) => claim_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        mutation.thread_payload(outcome).await
    }
}
