use async_graphql::{Context, Object};

use super::mutation_context::{MutationContext, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::reopen_thread::reopen_thread;

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
        #[graphql(desc = "The input of `reopenThread`.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.thread_id() {
            Ok(thread) => reopen_thread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        mutation.thread_payload(outcome).await
    }
}
