use async_graphql::{Context, InputObject, Object, SimpleObject};
use secrecy::{ExposeSecret as _, SecretString};

use crate::graphql::context::Origin;
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::graphql::types::user_error::UserError;
use crate::service::Error;
use crate::service::sessions::exchange_sign_in_code;

/// The input of `exchangeSignInCode`.
#[derive(InputObject)]
pub(super) struct ExchangeSignInCodeInput {
    /// The code in the part after `#code=` of a sign-in link.
    code: String,
}

/// The result of `exchangeSignInCode`.
#[derive(SimpleObject)]
pub(super) struct ExchangeSignInCodePayload {
    /// The bearer token for further requests, valid for 12 hours. Null if the mutation was rejected.
    token: Option<String>,
    /// The time from which the token is invalid. Null if the mutation was rejected.
    expires_at: Option<DateTime>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct ExchangeSignInCodeMutation;

#[Object]
impl ExchangeSignInCodeMutation {
    /// Signs in with the one-time code of a sign-in link. A code works once, within 10 minutes. This is the only
    /// operation that needs no bearer token; the document must select nothing else. Errors: INVALID.
    async fn exchange_sign_in_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `exchangeSignInCode`.")] input: ExchangeSignInCodeInput,
    ) -> Result<ExchangeSignInCodePayload> {
        let origin = Origin::of(ctx)?;
        match exchange_sign_in_code(&origin.services, &SecretString::from(input.code)).await {
            Ok(issued) => Ok(ExchangeSignInCodePayload {
                token: Some(issued.token.expose_secret().to_owned()),
                expires_at: Some(issued.expires_at.into()),
                user_errors: Vec::new(),
            }),
            Err(Error::Refused(refusal)) => {
                let user_errors = vec![UserError::input(refusal)];
                Ok(ExchangeSignInCodePayload { token: None, expires_at: None, user_errors })
            }
            Err(Error::Failed(fault)) => Err(origin.fault(&fault)),
        }
    }
}
