use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Thread;
use crate::graphql::types::user_error::UserError;
use crate::service::mark_thread_read::mark_thread_read;

/// The input of `markThreadRead`.
#[derive(InputObject)]
pub(super) struct MarkThreadReadInput {
    /// The ID of the thread to mark as read.
    thread_id: ID,
}

/// The result of `markThreadRead`.
#[derive(SimpleObject)]
pub(super) struct MarkThreadReadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct MarkThreadReadMutation;

#[Object]
impl MarkThreadReadMutation {
    /// Marks all messages of a thread as read by the viewer, with the viewer's notifications about it. Errors:
    /// NOT_FOUND.
    async fn mark_thread_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `markThreadRead`.")] input: MarkThreadReadInput,
    ) -> Result<MarkThreadReadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => mark_thread_read(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(MarkThreadReadPayload { thread, user_errors })
    }
}
