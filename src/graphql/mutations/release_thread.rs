use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Thread;
use crate::graphql::types::user_error::UserError;
use crate::service::release_thread::release_thread;

/// The input of `releaseThread`.
#[derive(InputObject)]
pub(super) struct ReleaseThreadInput {
    /// The ID of the thread to release.
    thread_id: ID,
}

/// The result of `releaseThread`.
#[derive(SimpleObject)]
pub(super) struct ReleaseThreadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct ReleaseThreadMutation;

#[Object]
impl ReleaseThreadMutation {
    /// Releases a thread: it becomes UNCLAIMED and its pool is notified. Releasing an unclaimed thread changes nothing.
    /// For the thread's assignee and ADMINs. Errors: NOT_FOUND, NOT_ASSIGNEE, CONFLICT (the thread is closed).
    async fn release_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `releaseThread`.")] input: ReleaseThreadInput,
    ) -> Result<ReleaseThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => release_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(ReleaseThreadPayload { thread, user_errors })
    }
}
