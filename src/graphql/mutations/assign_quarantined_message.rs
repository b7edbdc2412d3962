use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::domain::{PhoneNumberId, QuarantineId};
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Message, Thread};
use crate::service::Refusal;
use crate::service::quarantine::assign;

/// The input of `assignQuarantinedMessage`.
#[derive(InputObject)]
pub(super) struct AssignQuarantinedMessageInput {
    /// The ID of the quarantined text.
    quarantined_message_id: ID,
    /// The ID of the phone number that receives the text: an active number of the agency, of the Twilio account that
    /// received the text.
    phone_number_id: ID,
}

/// The result of `assignQuarantinedMessage`.
#[derive(SimpleObject)]
pub(super) struct AssignQuarantinedMessagePayload {
    /// The text as a message in its thread. Null if the mutation was rejected.
    message: Option<Message>,
    /// The thread of the message. Null if the mutation was rejected.
    thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct AssignQuarantinedMessageMutation;

#[Object]
impl AssignQuarantinedMessageMutation {
    /// Moves a quarantined text into a thread, as if it had been sent to the phone number now: it is routed, its
    /// recipients are notified, and STOP and START have their effect. No automatic reply is sent to a text that was
    /// received more than 10 minutes ago. ADMINs only. Errors: FORBIDDEN; NOT_FOUND, also if the text has been assigned
    /// or discarded; INVALID if the number belongs to another Twilio account, or if the text cannot be stored, in which
    /// case it stays in quarantine; CONFLICT if another user has just assigned or discarded the text.
    async fn assign_quarantined_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `assignQuarantinedMessage`.")] input: AssignQuarantinedMessageInput,
    ) -> Result<AssignQuarantinedMessagePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.parse() {
            Ok((text, number)) => assign(mutation.services(), mutation.viewer(), text, number).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (message, thread, user_errors) = mutation.received_message(outcome).await?;
        Ok(AssignQuarantinedMessagePayload { message, thread, user_errors })
    }
}

impl AssignQuarantinedMessageInput {
    fn parse(&self) -> std::result::Result<(QuarantineId, PhoneNumberId), Refusal> {
        let text = ids::parse_input(&self.quarantined_message_id, "quarantined message", "quarantinedMessageId")?;
        Ok((text, ids::parse_input(&self.phone_number_id, "active phone number", "phoneNumberId")?))
    }
}
