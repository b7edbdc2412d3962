use async_graphql::{Context, InputObject, Object};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::types::{User, UserPayload};
use crate::service::verify_phone::confirm_phone_verification;

/// The input of `confirmPhoneVerification`.
#[derive(InputObject)]
pub(super) struct ConfirmPhoneVerificationInput {
    /// The code that was texted: six digits.
    code: String,
}

#[derive(Default)]
pub(super) struct ConfirmPhoneVerificationMutation;

#[Object]
impl ConfirmPhoneVerificationMutation {
    /// Verifies the viewer's phone with the code that `startPhoneVerification` texted to it. The phone becomes the
    /// viewer's own, and calls may ring it. A code is valid for 10 minutes and 5 wrong attempts. Errors: INVALID (the
    /// code is wrong or has expired).
    async fn confirm_phone_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `confirmPhoneVerification`.")] input: ConfirmPhoneVerificationInput,
    ) -> Result<UserPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = confirm_phone_verification(mutation.services(), mutation.viewer(), input.code).await;
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => UserPayload { user: Some(User::new(&viewer, row.into())), user_errors: vec![] },
            Err(user_errors) => UserPayload { user: None, user_errors },
        })
    }
}
