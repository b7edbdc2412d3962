use async_graphql::{Context, ID, InputObject, Object};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::PoolMemberPayload;
use crate::service::manage_pool::remove_pool_member;

/// The input of `removePoolMember`.
#[derive(InputObject)]
pub(super) struct RemovePoolMemberInput {
    /// The ID of the phone number that the pool belongs to.
    phone_number_id: ID,
    /// The ID of the user to remove from the pool.
    user_id: ID,
}

#[derive(Default)]
pub(super) struct RemovePoolMemberMutation;

#[Object]
impl RemovePoolMemberMutation {
    /// Removes a user from the pool of a phone number. Threads of this number that the user holds become UNCLAIMED, and
    /// the pool is notified. ADMINs only. Errors: FORBIDDEN, NOT_FOUND.
    async fn remove_pool_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `removePoolMember`.")] input: RemovePoolMemberInput,
    ) -> Result<PoolMemberPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let number = ids::parse_input(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::parse_input(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => remove_pool_member(mutation.services(), mutation.viewer(), number, user).await,
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        mutation.pool_member_payload(outcome).await
    }
}
