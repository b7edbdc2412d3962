use async_graphql::{Context, Object};

use super::mutation_context::{MutationContext, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::mark_thread_read::mark_thread_read;

#[derive(Default)]
pub(super) struct MarkThreadReadMutation;

#[Object]
impl MarkThreadReadMutation {
    /// Marks all messages of a thread as read by the viewer, with the viewer's notifications about it. Errors:
    /// NOT_FOUND.
    async fn mark_thread_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `markThreadRead`.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.thread_id() {
            Ok(thread) => mark_thread_read(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        mutation.thread_payload(outcome).await
    }
}
