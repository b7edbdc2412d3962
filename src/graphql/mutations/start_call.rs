use async_graphql::{Context, ID, InputObject, Object};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::CallPayload;
use crate::service::Refusal;
use crate::service::calls::{StartCall, start_call};

/// The input of `startCall`: either `threadId`, or `phoneNumberId` and `to`.
#[derive(InputObject)]
pub(super) struct StartCallInput {
    /// The ID of the thread whose contact is called, from the thread's phone number.
    thread_id: Option<ID>,
    /// The ID of the phone number that the called party sees, together with `to`. The viewer must be in its pool or be
    /// an ADMIN.
    phone_number_id: Option<ID>,
    /// The phone number to call, in E.164, together with `phoneNumberId`.
    to: Option<PhoneE164>,
}

impl StartCallInput {
    fn parse(self) -> std::result::Result<StartCall, Refusal> {
        match (self.thread_id, self.phone_number_id, self.to) {
            (Some(thread), None, None) => Ok(StartCall::Thread(ids::parse_input(&thread, "thread", "threadId")?)),
            (None, Some(number), Some(PhoneE164(to))) => {
                Ok(StartCall::Number(ids::parse_input(&number, "phone number", "phoneNumberId")?, to))
            }
            _ => Err(Refusal::invalid("Give either `threadId`, or `phoneNumberId` and `to`.", "threadId")),
        }
    }
}

#[derive(Default)]
pub(super) struct StartCallMutation;

#[Object]
impl StartCallMutation {
    /// Starts a call. The viewer's own verified phone rings first; when the viewer presses 1, the other party's phone
    /// rings and shows the agency's number. A user can have one active call at a time and start 200 calls a day. If the
    /// carrier refuses the call, it has the status FAILED and an `errorCode`. Errors: INVALID, NOT_FOUND,
    /// LIMIT_EXCEEDED.
    async fn start_call(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `startCall`.")] input: StartCallInput,
    ) -> Result<CallPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.parse() {
            Ok(input) => start_call(mutation.services(), mutation.viewer(), input).await,
            Err(refusal) => Err(refusal.into()),
        };
        mutation.call_payload(outcome).await
    }
}
