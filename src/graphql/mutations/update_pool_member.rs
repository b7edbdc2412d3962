use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::PoolMemberPayload;
use crate::service::manage_pool::{UpdatePoolMember, update_pool_member};

/// What to change of a member of a pool. What is absent stays.
#[derive(InputObject)]
pub(super) struct UpdatePoolMemberInput {
    /// The pool's number.
    phone_number_id: ID,
    /// The user.
    user_id: ID,
    /// Whether texts reach them here. Switched off, they lose the pool's threads at once.
    sms_enabled: Option<bool>,
    /// Whether calls do.
    voice_enabled: Option<bool>,
    /// Whether they are the pool's default sender; the former one ceases to be.
    is_primary: Option<bool>,
}

#[derive(Default)]
pub(super) struct UpdatePoolMemberMutation;

#[Object]
impl UpdatePoolMemberMutation {
    /// Changes a member of a pool. For ADMINs.
    async fn update_pool_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change, of whom.")] input: UpdatePoolMemberInput,
    ) -> Result<PoolMemberPayload> {
        let act = Act::begin(ctx).await?;
        let number = ids::named(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::named(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => {
                let UpdatePoolMemberInput { sms_enabled, voice_enabled, is_primary, .. } = input;
                let change = UpdatePoolMember { number, user, sms_enabled, voice_enabled, is_primary };
                update_pool_member(act.services(), act.viewer(), change).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Ok(Err(refusal)),
        };
        act.pool_member(outcome).await
    }
}
