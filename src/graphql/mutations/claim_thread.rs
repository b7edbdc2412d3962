use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Thread;
use crate::graphql::types::user_error::UserError;
use crate::service::claim_thread::claim_thread;

/// The input of `claimThread`.
#[derive(InputObject)]
pub(super) struct ClaimThreadInput {
    /// The ID of the thread to claim.
    thread_id: ID,
}

/// The result of `claimThread`.
#[derive(SimpleObject)]
pub(super) struct ClaimThreadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

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
        #[graphql(desc = "The input of `claimThread`.")] input: ClaimThreadInput,
    ) -> Result<ClaimThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => claim_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(ClaimThreadPayload { thread, user_errors })
    }
}
