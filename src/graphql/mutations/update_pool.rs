use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::{Pool, UpdatePoolPayload};
use crate::graphql::words::PoolPolicy;
use crate::service::manage_pool::update_pool;

/// What to change of a pool. What is absent stays.
#[derive(InputObject)]
pub(super) struct UpdatePoolInput {
    /// The pool's number.
    phone_number_id: ID,
    /// How its threads find an assignee from now on.
    policy: Option<PoolPolicy>,
}

#[derive(Default)]
pub(super) struct UpdatePoolMutation;

#[Object]
impl UpdatePoolMutation {
    /// Changes a pool. For ADMINs.
    async fn update_pool(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change, of which pool.")] input: UpdatePoolInput,
    ) -> Result<UpdatePoolPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match ids::named(&input.phone_number_id, "phone number", "phoneNumberId") {
            Ok(number) => update_pool(act.services(), act.viewer(), number, input.policy.map(Into::into)).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        let (viewer, settled) = act.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => UpdatePoolPayload { pool: Some(Pool::new(&viewer, row)), user_errors: vec![] },
            Err(user_errors) => UpdatePoolPayload { pool: None, user_errors },
        })
    }
}
