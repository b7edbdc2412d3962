use async_graphql::{Context, InputObject, Object};

use super::mutation_context::MutationContext;
use crate::graphql::enums::Availability;
use crate::graphql::errors::Result;
use crate::graphql::types::{User, UserPayload};
use crate::service::set_availability::set_availability;

/// The input of `setAvailability`.
#[derive(InputObject)]
pub(super) struct SetAvailabilityInput {
    /// The new availability of the viewer: AVAILABLE or AWAY.
    availability: Availability,
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
    ) -> Result<UserPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = set_availability(mutation.services(), mutation.viewer(), input.availability.into()).await;
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => UserPayload { user: Some(User::new(&viewer, row.into())), user_errors: vec![] },
            Err(user_errors) => UserPayload { user: None, user_errors },
        })
    }
}
