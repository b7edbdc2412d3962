use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::User;
use crate::graphql::types::user_error::UserError;
use crate::service::verify_phone::start_phone_verification;

/// The input of `startPhoneVerification`.
#[derive(InputObject)]
pub(super) struct StartPhoneVerificationInput {
    /// The viewer's own phone number, in E.164.
    phone: PhoneE164,
}

/// The result of `startPhoneVerification`.
#[derive(SimpleObject)]
pub(super) struct StartPhoneVerificationPayload {
    /// The viewer's user in its new state. Null if the mutation was rejected.
    user: Option<User>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct StartPhoneVerificationMutation;

#[Object]
impl StartPhoneVerificationMutation {
    /// Texts a six-digit code to a phone that the viewer wants to use for calls. Pass the code to
    /// `confirmPhoneVerification` within 10 minutes. At most 5 codes an hour per user and per phone, and 50 per agency.
    /// Errors: INVALID (the phone cannot be used), OPTED_OUT, LIMIT_EXCEEDED, CONFLICT (the carrier cannot be reached,
    /// or the agency has no active number).
    async fn start_phone_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `startPhoneVerification`.")] input: StartPhoneVerificationInput,
    ) -> Result<StartPhoneVerificationPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = start_phone_verification(mutation.services(), mutation.viewer(), input.phone.0).await;
        let (user, user_errors) = mutation.own_user(outcome).await?;
        Ok(StartPhoneVerificationPayload { user, user_errors })
    }
}
