use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::enums::Availability;
use crate::graphql::errors::Result;
use crate::graphql::types::User;
use crate::graphql::types::user_error::UserError;
use crate::service::set_availability::set_availability;

/// The input of `setAvailability`.
#[derive(InputObject)]
pub(super) struct SetAvailabilityInput {
    /// The new availability of the viewer: AVAILABLE or AWAY.
    availability: Availability,
}

/// The result of `setAvailability`.
#[derive(SimpleObject)]
pub(super) struct SetAvailabilityPayload {
    /// The viewer's user in its new state. Null if the mutation was rejected.
    user: Option<User>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct SetAvailabilityMutation;

#[Object]
impl SetAvailabilityMutation {
    /// Sets the viewer's availability for new work. It affects assignment and ringing, not the routing of texts.
    async fn set_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `setAvailability`.")] input: SetAvailabilityInput,
    ) -> Result<SetAvailabilityPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = set_availability(mutation.services(), mutation.viewer(), input.availability.into()).await;
        let (user, user_errors) = mutation.own_user(outcome).await?;
        Ok(SetAvailabilityPayload { user, user_errors })
    }
}
