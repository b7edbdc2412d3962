use async_graphql::{Context, InputObject, Object, SimpleObject};
use secrecy::SecretString;

use super::mutation_context::token_fields;
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
        let resolved = match exchange_sign_in_code(&origin.services, &SecretString::from(input.code)).await {
            Ok(issued) => Ok(issued),
            Err(Error::Refused(refusal)) => Err(vec![UserError::input(refusal)]),
            Err(Error::Failed(fault)) => return Err(origin.fault(&fault)),
        };
        let (token, expires_at, user_errors) = token_fields(resolved);
        Ok(ExchangeSignInCodePayload { token, expires_at, user_errors })
    }
}
