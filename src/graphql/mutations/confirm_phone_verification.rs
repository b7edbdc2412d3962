use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::types::User;
use crate::graphql::types::user_error::UserError;
use crate::service::verify_phone::confirm_phone_verification;

/// The input of `confirmPhoneVerification`.
#[derive(InputObject)]
pub(super) struct ConfirmPhoneVerificationInput {
    /// The code that was texted: six digits.
    code: String,
}

/// The result of `confirmPhoneVerification`.
#[derive(SimpleObject)]
pub(super) struct ConfirmPhoneVerificationPayload {
    /// The viewer's user in its new state. Null if the mutation was rejected.
    user: Option<User>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
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
    ) -> Result<ConfirmPhoneVerificationPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = confirm_phone_verification(mutation.services(), mutation.viewer(), input.code).await;
        let (user, user_errors) = mutation.own_user(outcome).await?;
        Ok(ConfirmPhoneVerificationPayload { user, user_errors })
    }
}
