use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::MessagePayload;
use crate::service::abandon_message::abandon_message;

/// A text to give up.
#[derive(InputObject)]
pub(super) struct AbandonMessageInput {
    /// Which.
    message_id: ID,
}

#[derive(Default)]
pub(super) struct AbandonMessageMutation;

#[Object]
impl AbandonMessageMutation {
    /// Gives up a text of which nobody knows whether it was sent (`needsDecision`): it ends as FAILED
    /// with ABANDONED. For who wrote it, the thread's assignee and ADMINs.
    async fn abandon_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The text.")] input: AbandonMessageInput,
    ) -> Result<MessagePayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match ids::named(&input.message_id, "message", "messageId") {
            Ok(message) => abandon_message(act.services(), act.viewer(), message).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.message(outcome).await
    }
}
