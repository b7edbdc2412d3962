use async_graphql::{Context, ID, InputObject, Object};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::MessagePayload;
use crate::service::abandon_message::abandon_message;

/// The input of `abandonMessage`.
#[derive(InputObject)]
pub(super) struct AbandonMessageInput {
    /// The ID of a message with `needsDecision: true`.
    message_id: ID,
}

#[derive(Default)]
pub(super) struct AbandonMessageMutation;

#[Object]
impl AbandonMessageMutation {
    /// Settles a message of which it is not known whether it was sent (`needsDecision`): it becomes FAILED with the
    /// error code ABANDONED. Repeating it changes nothing. For the user who wrote the message, the thread's assignee
    /// and ADMINs. Errors: NOT_FOUND, NOT_ASSIGNEE, CONFLICT (no decision is needed).
    async fn abandon_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `abandonMessage`.")] input: AbandonMessageInput,
    ) -> Result<MessagePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.message_id, "message", "messageId") {
            Ok(message) => abandon_message(mutation.services(), mutation.viewer(), message).await,
            Err(refusal) => Err(refusal.into()),
        };
        mutation.message_payload(outcome).await
    }
}
