use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Assignment, Pool};
use crate::service::manage_pool::remove_pool_member;

/// The input of `removePoolMember`.
#[derive(InputObject)]
pub(super) struct RemovePoolMemberInput {
    /// The ID of the phone number that the pool belongs to.
    phone_number_id: ID,
    /// The ID of the user to remove from the pool.
    user_id: ID,
}

/// The result of `removePoolMember`.
#[derive(SimpleObject)]
pub(super) struct RemovePoolMemberPayload {
    /// The removed assignment. Null if the mutation was rejected.
    assignment: Option<Assignment>,
    /// The pool of the assignment. Null if the mutation was rejected.
    pool: Option<Pool>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
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
    ) -> Result<RemovePoolMemberPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let number = ids::parse_input(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::parse_input(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => remove_pool_member(mutation.services(), mutation.viewer(), number, user).await,
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        let (assignment, pool, user_errors) = mutation.pool_member(outcome).await?;
        Ok(RemovePoolMemberPayload { assignment, pool, user_errors })
    }
}
