use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Message, Thread};
use crate::service::abandon_message::abandon_message;

/// The input of `abandonMessage`.
#[derive(InputObject)]
pub(super) struct AbandonMessageInput {
    /// The ID of a message with `needsDecision: true`.
    message_id: ID,
}

/// The result of `abandonMessage`.
#[derive(SimpleObject)]
pub(super) struct AbandonMessagePayload {
    /// The message in its new state. Null if the mutation was rejected, or if the viewer may no longer see its thread.
    message: Option<Message>,
    /// The thread of the message. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct AbandonMessageMutation;

#[Object]
impl AbandonMessageMutation {
    /// Settles a message of which it is not known whether it was sent (`needsDecision`): it becomes FAILED with the
    /// reason ABANDONED. Repeating it changes nothing. For the user who wrote the message, the thread's assignee
    /// and ADMINs. Errors: NOT_FOUND, NOT_ASSIGNEE, CONFLICT (no decision is needed).
    async fn abandon_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `abandonMessage`.")] input: AbandonMessageInput,
    ) -> Result<AbandonMessagePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.message_id, "message", "messageId") {
            Ok(message) => abandon_message(mutation.services(), mutation.viewer(), message).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (message, thread, user_errors) = mutation.message(outcome).await?;
        Ok(AbandonMessagePayload { message, thread, user_errors })
    }
}
