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
    /// The ID of the last message that the viewer has seen. Inbound messages after it stay unread. Default: all
    /// messages are marked as read.
    up_to_message_id: Option<ID>,
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
    /// Marks the messages of a thread as read by the viewer, either all of them or up to `upToMessageId`, and the
    /// viewer's notifications about them. Messages that are already read stay read. Errors: NOT_FOUND.
    async fn mark_thread_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `markThreadRead`.")] input: MarkThreadReadInput,
    ) -> Result<MarkThreadReadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let thread = ids::parse_input(&input.thread_id, "thread", "threadId");
        let up_to = input.up_to_message_id.map(|id| ids::parse_input(&id, "message in this thread", "upToMessageId"));
        let outcome = match (thread, up_to.transpose()) {
            (Ok(thread), Ok(up_to)) => mark_thread_read(mutation.services(), mutation.viewer(), thread, up_to).await,
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(MarkThreadReadPayload { thread, user_errors })
    }
}
