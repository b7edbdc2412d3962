use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Thread;
use crate::graphql::types::user_error::UserError;
use crate::service::close_thread::close_thread;

/// The input of `closeThread`.
#[derive(InputObject)]
pub(super) struct CloseThreadInput {
    /// The ID of the thread to close.
    thread_id: ID,
}

/// The result of `closeThread`.
#[derive(SimpleObject)]
pub(super) struct CloseThreadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct CloseThreadMutation;

#[Object]
impl CloseThreadMutation {
    /// Closes a thread and clears its assignee. An inbound text reopens it. Closing a closed thread changes nothing.
    /// For the thread's assignee and ADMINs. Errors: NOT_FOUND, NOT_ASSIGNEE.
    async fn close_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `closeThread`.")] input: CloseThreadInput,
    ) -> Result<CloseThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => close_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(CloseThreadPayload { thread, user_errors })
    }
}
