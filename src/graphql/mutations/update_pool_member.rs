use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Assignment, Pool};
use crate::service::manage_pool::{UpdatePoolMember, update_pool_member};

/// The input of `updatePoolMember`. Absent fields are left unchanged.
#[derive(InputObject)]
pub(super) struct UpdatePoolMemberInput {
    /// The ID of the phone number that the pool belongs to.
    phone_number_id: ID,
    /// The ID of the pool member to change.
    user_id: ID,
    /// Whether texts to the pool's number are routed to this user. If it is switched off, the threads of this number
    /// that the user holds become UNCLAIMED.
    sms_enabled: Option<bool>,
    /// Whether calls to this number ring this user's phone.
    voice_enabled: Option<bool>,
    /// Whether the user is the primary user of the pool. True replaces the current primary user.
    is_primary: Option<bool>,
}

/// The result of `updatePoolMember`.
#[derive(SimpleObject)]
pub(super) struct UpdatePoolMemberPayload {
    /// The assignment in its new state. Null if the mutation was rejected.
    assignment: Option<Assignment>,
    /// The pool of the assignment. Null if the mutation was rejected.
    pool: Option<Pool>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct UpdatePoolMemberMutation;

#[Object]
impl UpdatePoolMemberMutation {
    /// Changes a member of a pool. ADMINs only. Errors: FORBIDDEN, NOT_FOUND.
    async fn update_pool_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `updatePoolMember`.")] input: UpdatePoolMemberInput,
    ) -> Result<UpdatePoolMemberPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let number = ids::parse_input(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::parse_input(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => {
                let UpdatePoolMemberInput { sms_enabled, voice_enabled, is_primary, .. } = input;
                let change = UpdatePoolMember { number, user, sms_enabled, voice_enabled, is_primary };
                update_pool_member(mutation.services(), mutation.viewer(), change).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        let (assignment, pool, user_errors) = mutation.pool_member(outcome).await?;
        Ok(UpdatePoolMemberPayload { assignment, pool, user_errors })
    }
}
