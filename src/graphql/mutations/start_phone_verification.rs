use async_graphql::{Context, InputObject, Object};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::{User, UserPayload};
use crate::service::verify_phone::start_phone_verification;

/// The input of `startPhoneVerification`.
#[derive(InputObject)]
pub(super) struct StartPhoneVerificationInput {
    /// The viewer's own phone number, in E.164.
    phone: PhoneE164,
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
    ) -> Result<UserPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = start_phone_verification(mutation.services(), mutation.viewer(), input.phone.0).await;
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(()) => UserPayload { user: Some(User::new(&viewer, viewer.user().clone())), user_errors: vec![] },
            Err(user_errors) => UserPayload { user: None, user_errors },
        })
    }
}
