use async_graphql::{Context, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::types::{User, UserPayload};
use crate::service::verify_phone::confirm_phone_verification;

/// Which code.
#[derive(InputObject)]
pub(super) struct ConfirmPhoneVerificationInput {
    /// The six digits.
    code: String,
}

#[derive(Default)]
pub(super) struct ConfirmPhoneVerificationMutation;

#[Object]
impl ConfirmPhoneVerificationMutation {
    /// Takes the code that was texted: the phone is the viewer's from now on, and calls may ring it.
    async fn confirm_phone_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code.")] input: ConfirmPhoneVerificationInput,
    ) -> Result<UserPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = confirm_phone_verification(act.services(), act.viewer(), input.code).await;
        let (viewer, settled) = act.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => UserPayload { user: Some(User::new(&viewer, row.into())), user_errors: vec![] },
            Err(user_errors) => UserPayload { user: None, user_errors },
        })
    }
}
