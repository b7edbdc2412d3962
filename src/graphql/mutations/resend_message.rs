use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Message, Thread};
use crate::service::resend_message::resend_message;

/// The input of `resendMessage`.
#[derive(InputObject)]
pub(super) struct ResendMessageInput {
    /// The ID of an outbound message that failed, or that has `needsDecision: true`.
    message_id: ID,
    /// A key that the client chooses for this request: 1 to 128 characters, kept per user for 7 days. A repeated
    /// request with the same key returns the first result and sends nothing; the same key with another request is a
    /// CONFLICT.
    idempotency_key: String,
}

/// The result of `resendMessage`.
#[derive(SimpleObject)]
pub(super) struct ResendMessagePayload {
    /// The message in its new state. Null if the mutation was rejected, or if the viewer may no longer see its thread.
    message: Option<Message>,
    /// The thread of the message. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct ResendMessageMutation;

#[Object]
impl ResendMessageMutation {
    /// Sends an outbound message again that failed, or of which it is not known whether it was sent (`needsDecision`).
    /// The text is sent as a new message with the same attachments and extension, under the rules of `sendMessage`. The old message becomes FAILED with the
    /// reason RESENT, unless it is reported as delivered later. Errors: those of `sendMessage`, and CONFLICT (the
    /// message is inbound, in progress, delivered or already resent, or its attachments were deleted).
    async fn resend_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `resendMessage`.")] input: ResendMessageInput,
    ) -> Result<ResendMessagePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.message_id, "message", "messageId") {
            Ok(message) => resend_message(mutation.services(), mutation.viewer(), message, input.idempotency_key).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (message, thread, user_errors) = mutation.message(outcome).await?;
        Ok(ResendMessagePayload { message, thread, user_errors })
    }
}
