use async_graphql::{Context, Object, SimpleObject};

use super::mutation_context::{MutationContext, token_fields};
use crate::graphql::context::requester;
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::graphql::types::user_error::UserError;
use crate::service::sessions::renew_session;

/// The result of `renewSession`.
#[derive(SimpleObject)]
pub(super) struct RenewSessionPayload {
    /// The bearer token for further requests. Null if the mutation was rejected.
    token: Option<String>,
    /// The time from which the token is invalid. Null if the mutation was rejected.
    expires_at: Option<DateTime>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct RenewSessionMutation;

#[Object]
impl RenewSessionMutation {
    /// Returns another token for the same user, valid for 12 hours, but at most until 7 days after the user signed in.
    /// The former token stays valid until it expires. Only tokens that Partyline issued can be renewed. Errors:
    /// FORBIDDEN.
    async fn renew_session(&self, ctx: &Context<'_>) -> Result<RenewSessionPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = renew_session(mutation.services(), mutation.viewer(), requester(ctx)?.identity());
        let (_, resolved) = mutation.resolve(outcome).await?;
        let (token, expires_at, user_errors) = token_fields(resolved);
        Ok(RenewSessionPayload { token, expires_at, user_errors })
    }
}
