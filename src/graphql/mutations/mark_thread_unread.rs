use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Thread;
use crate::graphql::types::user_error::UserError;
use crate::service::mark_thread_read::mark_thread_unread;

/// The input of `markThreadUnread`.
#[derive(InputObject)]
pub(super) struct MarkThreadUnreadInput {
    /// The ID of the thread to mark as unread.
    thread_id: ID,
}

/// The result of `markThreadUnread`.
#[derive(SimpleObject)]
pub(super) struct MarkThreadUnreadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct MarkThreadUnreadMutation;

#[Object]
impl MarkThreadUnreadMutation {
    /// Marks the last inbound message of a thread as unread by the viewer. A thread without inbound messages stays
    /// read. Errors: NOT_FOUND.
    async fn mark_thread_unread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `markThreadUnread`.")] input: MarkThreadUnreadInput,
    ) -> Result<MarkThreadUnreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => mark_thread_unread(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(MarkThreadUnreadPayload { thread, user_errors })
    }
}
