use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::graphql::types::{Assignment, Pool};
use crate::service::manage_pool::{AddPoolMember, add_pool_member};

/// The input of `addPoolMember`.
#[derive(InputObject)]
pub(super) struct AddPoolMemberInput {
    /// The ID of the phone number that the pool belongs to.
    phone_number_id: ID,
    /// The ID of the user to add, who must be active.
    user_id: ID,
    /// Whether texts to the pool's number are routed to this user. Default: true.
    #[graphql(default = true)]
    sms_enabled: bool,
    /// Whether calls to this number ring this user's phone. Default: true.
    #[graphql(default = true)]
    voice_enabled: bool,
    /// Whether the user becomes the primary user of the pool, in place of the current one. Default: false.
    #[graphql(default = false)]
    is_primary: bool,
}

/// The result of `addPoolMember`.
#[derive(SimpleObject)]
pub(super) struct AddPoolMemberPayload {
    /// The assignment in its new state. Null if the mutation was rejected.
    assignment: Option<Assignment>,
    /// The pool of the assignment. Null if the mutation was rejected.
    pool: Option<Pool>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
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
    ) -> Result<AddPoolMemberPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let number = ids::parse_input(&input.phone_number_id, "phone number", "phoneNumberId");
        let user = ids::parse_input(&input.user_id, "user", "userId");
        let outcome = match (number, user) {
            (Ok(number), Ok(user)) => {
                let member = AddPoolMember {
                    number,
                    user,
                    sms_enabled: input.sms_enabled,
                    voice_enabled: input.voice_enabled,
                    is_primary: input.is_primary,
                };
                add_pool_member(mutation.services(), mutation.viewer(), member).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        let (assignment, pool, user_errors) = mutation.pool_member(outcome).await?;
        Ok(AddPoolMemberPayload { assignment, pool, user_errors })
    }
}
