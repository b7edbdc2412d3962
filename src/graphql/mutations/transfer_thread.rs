use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Thread;
use crate::graphql::types::user_error::UserError;
use crate::service::transfer_thread::transfer_thread;

/// The input of `transferThread`.
#[derive(InputObject)]
pub(super) struct TransferThreadInput {
    /// The ID of the thread to transfer.
    thread_id: ID,
    /// The ID of the new assignee: any active user of the agency, also the viewer.
    to_user_id: ID,
    /// A note for the new assignee, at most 2,000 characters. It is kept in the thread's activity.
    note: Option<String>,
}

/// The result of `transferThread`.
#[derive(SimpleObject)]
pub(super) struct TransferThreadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct TransferThreadMutation;

#[Object]
impl TransferThreadMutation {
    /// Makes another user the assignee of a thread, or takes it over by a transfer to the viewer. Every handler may
    /// take a thread over, or transfer an unclaimed one; otherwise it is for the thread's assignee and ADMINs. The new
    /// and the former assignee are notified. Errors: NOT_FOUND, NOT_ASSIGNEE, INVALID (the note is too long).
    async fn transfer_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `transferThread`.")] input: TransferThreadInput,
    ) -> Result<TransferThreadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let thread = ids::parse_input(&input.thread_id, "thread", "threadId");
        let to = ids::parse_input(&input.to_user_id, "user", "toUserId");
        let outcome = match (thread, to) {
            (Ok(thread), Ok(to)) => {
                transfer_thread(mutation.services(), mutation.viewer(), thread, to, input.note).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        let (thread, user_errors) = mutation.thread(outcome).await?;
        Ok(TransferThreadPayload { thread, user_errors })
    }
}
