use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::domain::QuarantineId;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::service::quarantine::discard;

/// The input of `discardQuarantinedMessage`.
#[derive(InputObject)]
pub(super) struct DiscardQuarantinedMessageInput {
    /// The ID of the quarantined text.
    quarantined_message_id: ID,
}

/// The result of `discardQuarantinedMessage`.
#[derive(SimpleObject)]
pub(super) struct DiscardQuarantinedMessagePayload {
    /// The ID of the text that was discarded. Null if the mutation was rejected.
    quarantined_message_id: Option<ID>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct DiscardQuarantinedMessageMutation;

#[Object]
impl DiscardQuarantinedMessageMutation {
    /// Removes a text from quarantine without moving it into a thread. This cannot be undone, and the text is not
    /// received again if Twilio repeats it. ADMINs only. Errors: FORBIDDEN; NOT_FOUND, also if the text has been
    /// assigned or discarded; CONFLICT if another user has just assigned or discarded it.
    async fn discard_quarantined_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `discardQuarantinedMessage`.")] input: DiscardQuarantinedMessageInput,
    ) -> Result<DiscardQuarantinedMessagePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let id = ids::parse_input(&input.quarantined_message_id, "quarantined message", "quarantinedMessageId");
        let outcome = match id {
            Ok(id) => discard(mutation.services(), mutation.viewer(), id).await.map(|()| id),
            Err(refusal) => Err(refusal.into()),
        };
        let (_, resolved) = mutation.resolve::<QuarantineId>(outcome).await?;
        Ok(match resolved {
            Ok(id) => DiscardQuarantinedMessagePayload { quarantined_message_id: Some(id.into()), user_errors: vec![] },
            Err(user_errors) => DiscardQuarantinedMessagePayload { quarantined_message_id: None, user_errors },
        })
    }
}
