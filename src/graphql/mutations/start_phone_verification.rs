use async_graphql::{Context, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::{User, UserPayload};
use crate::service::verify_phone::start_phone_verification;

/// Which phone.
#[derive(InputObject)]
pub(super) struct StartPhoneVerificationInput {
    /// The phone, in E.164.
    phone: PhoneE164,
}

#[derive(Default)]
pub(super) struct StartPhoneVerificationMutation;

#[Object]
impl StartPhoneVerificationMutation {
    /// Texts a code of six digits to a phone that the viewer says is theirs. Give it back with
    /// `confirmPhoneVerification` within 10 minutes.
    async fn start_phone_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which phone.")] input: StartPhoneVerificationInput,
    ) -> Result<UserPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = start_phone_verification(act.services(), act.viewer(), input.phone.0).await;
        let (viewer, settled) = act.settle(outcome).await?;
        Ok(match settled {
            Ok(()) => UserPayload { user: Some(User::new(&viewer, viewer.user().clone())), user_errors: vec![] },
            Err(user_errors) => UserPayload { user: None, user_errors },
        })
    }
}
