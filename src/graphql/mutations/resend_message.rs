use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::MessagePayload;
use crate::service::resend_message::resend_message;

/// A text to send again.
#[derive(InputObject)]
pub(super) struct ResendMessageInput {
    /// Which.
    message_id: ID,
    /// The client's own name for this request, kept for 7 days: the same twice is one text.
    idempotency_key: String,
}

#[derive(Default)]
pub(super) struct ResendMessageMutation;

#[Object]
impl ResendMessageMutation {
    /// Sends a text again that failed, or of which nobody knows whether it was sent (`needsDecision`):
    /// as a new message, by the rules of `sendMessage`. The former one ends as FAILED with RESENT, unless
    /// it turns out that it was delivered after all.
    async fn resend_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The text.")] input: ResendMessageInput,
    ) -> Result<MessagePayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match ids::named(&input.message_id, "message", "messageId") {
            Ok(message) => resend_message(act.services(), act.viewer(), message, input.idempotency_key).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.message(outcome).await
    }
}
