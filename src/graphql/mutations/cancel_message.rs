use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Message, Thread};
use crate::service::holds::cancel_message;

/// The input of `cancelMessage`.
#[derive(InputObject)]
pub(super) struct CancelMessageInput {
    /// The ID of a message that waits to be sent.
    message_id: ID,
}

/// The result of `cancelMessage`.
#[derive(SimpleObject)]
pub(super) struct CancelMessagePayload {
    /// The message in its new state. Null if the mutation was rejected, or if the viewer may no longer see its thread.
    message: Option<Message>,
    /// The thread of the message. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct CancelMessageMutation;

#[Object]
impl CancelMessageMutation {
    /// Cancels a message that waits to be sent: it becomes FAILED with the reason CANCELED, and is never sent.
    /// Repeating it changes nothing. For the user who wrote the message, the thread's assignee and ADMINs. Errors:
    /// NOT_FOUND, NOT_ASSIGNEE, TOO_LATE (the message is being sent or was already sent).
    async fn cancel_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `cancelMessage`.")] input: CancelMessageInput,
    ) -> Result<CancelMessagePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.message_id, "message", "messageId") {
            Ok(message) => cancel_message(mutation.services(), mutation.viewer(), message).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (message, thread, user_errors) = mutation.message(outcome).await?;
        Ok(CancelMessagePayload { message, thread, user_errors })
    }
}
