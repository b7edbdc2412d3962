use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Thread;
use crate::graphql::types::user_error::UserError;
use crate::service::reopen_thread::reopen_thread;

/// The input of `reopenThread`.
#[derive(InputObject)]
pub(super) struct ReopenThreadInput {
    /// The ID of the thread to reopen.
    thread_id: ID,
}

/// The result of `reopenThread`.
#[derive(SimpleObject)]
pub(super) struct ReopenThreadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct ReopenThreadMutation;

#[Object]
impl ReopenThreadMutation {
    /// Reopens a closed thread as an inbound text would. It returns to its last assignee if it was closed less than 7
    /// days ago and that user is eligible and AVAILABLE; otherwise it becomes UNCLAIMED and the pool is notified.
    /// Reopening an open thread changes nothing. Errors: NOT_FOUND.
    async fn reopen_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `reopenThread`.")] input: ReopenThreadInput,
    ) -> Result<ReopenThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => reopen_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(ReopenThreadPayload { thread, user_errors })
    }
}
