use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::CallPayload;
use crate::service::Refusal;
use crate::service::calls::{StartCall, start_call};

/// Whom to call: the contact of a thread, or a number.
#[derive(InputObject)]
pub(super) struct StartCallInput {
    /// The thread, whose number the contact sees.
    thread_id: Option<ID>,
    /// The number that is seen, together with `to`.
    phone_number_id: Option<ID>,
    /// Whom to call, together with `phoneNumberId`.
    to: Option<PhoneE164>,
}

impl StartCallInput {
    fn read(self) -> std::result::Result<StartCall, Refusal> {
        match (self.thread_id, self.phone_number_id, self.to) {
            (Some(thread), None, None) => Ok(StartCall::Thread(ids::named(&thread, "thread", "threadId")?)),
            (None, Some(number), Some(PhoneE164(to))) => {
                Ok(StartCall::Number(ids::named(&number, "phone number", "phoneNumberId")?, to))
            }
            _ => Err(Refusal::invalid("Give a threadId, or a phoneNumberId and a to.", "threadId")),
        }
    }
}

#[derive(Default)]
pub(super) struct StartCallMutation;

#[Object]
impl StartCallMutation {
    /// Calls somebody: the viewer's own verified phone rings first, and when they press 1 there, the other side's
    /// does, and sees the shared number. One call at a time.
    async fn start_call(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] input: StartCallInput,
    ) -> Result<CallPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match input.read() {
            Ok(wish) => start_call(act.services(), act.viewer(), wish).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.call(outcome).await
    }
}
