use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::PoolMemberPayload;
use crate::service::manage_pool::{AddPoolMember, add_pool_member};

/// Whom to put into which pool.
#[derive(InputObject)]
pub(super) struct AddPoolMemberInput {
    /// The pool's number.
    phone_number_id: ID,
    /// The user.
    user_id: ID,
    /// Whether texts reach them here.
    #[graphql(default_with = "Some(true)")]
    sms_enabled: Option<bool>,
    /// Whether calls do.
    #[graphql(default_with = "Some(true)")]
    voice_enabled: Option<bool>,
    /// Whether they become the pool's default sender; the former one ceases to be.
    #[graphql(default_with = "Some(false)")]
    is_primary: Option<bool>,
}

#[derive(Default)]
pub(super) struct AddPoolMemberMutation;

#[Object]
impl AddPoolMemberMutation {
    /// Puts a user into a number's pool. For ADMINs.
    async fn add_pool_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to put into which pool.")] input: AddPoolMemberInput,
    ) -> Result<PoolMemberPayload> {
        let act = Act::begin(ctx).await?;
        let number = ids::named(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::named(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => {
                let member = AddPoolMember {
                    number,
                    user,
                    sms_enabled: input.sms_enabled.unwrap_or(true),
                    voice_enabled: input.voice_enabled.unwrap_or(true),
                    is_primary: input.is_primary.unwrap_or(false),
                };
                add_pool_member(act.services(), act.viewer(), member).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Ok(Err(refusal)),
        };
        act.pool_member(outcome).await
    }
}
