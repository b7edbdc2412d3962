use async_graphql::{Context, Object};

use super::mutation_context::{MutationContext, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::close_thread::close_thread;

#[derive(Default)]
pub(super) struct CloseThreadMutation;

#[Object]
impl CloseThreadMutation {
    /// Closes a thread and clears its assignee. An inbound text reopens it. Closing a closed thread changes nothing.
    /// For the thread's assignee and ADMINs. Errors: NOT_FOUND, NOT_ASSIGNEE.
    async fn close_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `closeThread`.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.thread_id() {
            Ok(thread) => close_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        mutation.thread_payload(outcome).await
    }
}
