use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::Call;
use crate::graphql::types::user_error::UserError;
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

/// The result of `startCall`.
#[derive(SimpleObject)]
pub(super) struct StartCallPayload {
    /// The call in its new state. Null if the mutation was rejected.
    call: Option<Call>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct StartCallMutation;

#[Object]
impl StartCallMutation {
    /// Starts a call. The viewer's own verified phone rings first; when the viewer presses 1, the other party's phone
    /// rings and shows the agency's number. A user can have one active call at a time and start 200 calls a day. If the
    /// carrier refuses the call, it has the status FAILED and a `failure`. Errors: INVALID, NOT_FOUND,
    /// NOT_VERIFIED (the viewer has no verified phone), LIMIT_EXCEEDED.
    async fn start_call(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `startCall`.")] input: StartCallInput,
    ) -> Result<StartCallPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.parse() {
            Ok(input) => start_call(mutation.services(), mutation.viewer(), input).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (call, user_errors) = mutation.call(outcome).await?;
        Ok(StartCallPayload { call, user_errors })
    }
}
