use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::PoolMemberPayload;
use crate::service::manage_pool::remove_pool_member;

/// Whom to take out of which pool.
#[derive(InputObject)]
pub(super) struct RemovePoolMemberInput {
    /// The pool's number.
    phone_number_id: ID,
    /// The user.
    user_id: ID,
}

#[derive(Default)]
pub(super) struct RemovePoolMemberMutation;

#[Object]
impl RemovePoolMemberMutation {
    /// Takes a user out of a number's pool. The threads that they hold through it go back to it. For
    /// ADMINs.
    async fn remove_pool_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to take out of which pool.")] input: RemovePoolMemberInput,
    ) -> Result<PoolMemberPayload> {
        let act = Act::begin(ctx).await?;
        let number = ids::named(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::named(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => remove_pool_member(act.services(), act.viewer(), number, user).await,
            (Err(refusal), _) | (_, Err(refusal)) => Ok(Err(refusal)),
        };
        act.pool_member(outcome).await
    }
}
