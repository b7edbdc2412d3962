use async_graphql::{Context, ID, InputObject, Object};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::PoolMemberPayload;
use crate::service::manage_pool::{AddPoolMember, add_pool_member};

/// The input of `addPoolMember`.
#[derive(InputObject)]
pub(super) struct AddPoolMemberInput {
    /// The ID of the phone number that the pool belongs to.
    phone_number_id: ID,
    /// The ID of the user to add, who must be active.
    user_id: ID,
    /// Whether texts to the pool's number are routed to this user. Default: true.
    #[graphql(default_with = "Some(true)")]
    sms_enabled: Option<bool>,
    /// Whether calls to this number ring this user's phone. Default: true.
    #[graphql(default_with = "Some(true)")]
    voice_enabled: Option<bool>,
    /// Whether the user becomes the primary user of the pool, in place of the current one. Default: false.
    #[graphql(default_with = "Some(false)")]
    is_primary: Option<bool>,
}

#[derive(Default)]
pub(super) struct AddPoolMemberMutation;

#[Object]
impl AddPoolMemberMutation {
    /// Adds a user to the pool of a phone number. ADMINs only. Errors: FORBIDDEN, NOT_FOUND, CONFLICT (the user is
    /// already in the pool).
    async fn add_pool_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `addPoolMember`.")] input: AddPoolMemberInput,
    ) -> Result<PoolMemberPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let number = ids::parse_input(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::parse_input(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => {
                let member = AddPoolMember {
                    number,
                    user,
                    sms_enabled: input.sms_enabled.unwrap_or(true),
                    voice_enabled: input.voice_enabled.unwrap_or(true),
                    is_primary: input.is_primary.unwrap_or(false),
                };
                add_pool_member(mutation.services(), mutation.viewer(), member).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        mutation.pool_member_payload(outcome).await
    }
}
