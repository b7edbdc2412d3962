use async_graphql::{Context, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::types::{User, UserPayload};
use crate::graphql::words::Availability;
use crate::service::set_availability::set_availability;

/// Whether the viewer takes work from now on.
#[derive(InputObject)]
pub(super) struct SetAvailabilityInput {
    /// AVAILABLE or AWAY.
    availability: Availability,
}

#[derive(Default)]
pub(super) struct SetAvailabilityMutation;

#[Object]
impl SetAvailabilityMutation {
    /// Says whether the viewer takes work now.
    async fn set_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether they do.")] input: SetAvailabilityInput,
    ) -> Result<UserPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = set_availability(act.services(), act.viewer(), input.availability.into()).await;
        let (viewer, settled) = act.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => UserPayload { user: Some(User::new(&viewer, row.into())), user_errors: vec![] },
            Err(user_errors) => UserPayload { user: None, user_errors },
        })
    }
}
