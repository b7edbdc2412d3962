use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::ExtensionPayload;
use crate::service::manage_extensions::{self, CreateExtension};

/// An extension to be.
#[derive(InputObject)]
pub(super) struct CreateExtensionInput {
    /// 2 to 6 digits, no emergency number, not taken.
    digits: String,
    /// Whom it reaches.
    user_id: ID,
    /// The one number it is valid on; absent: every number of the agency.
    phone_number_id: Option<ID>,
}

#[derive(Default)]
pub(super) struct CreateExtensionMutation;

#[Object]
impl CreateExtensionMutation {
    /// Makes an extension. For ADMINs.
    async fn create_extension(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The extension to be.")] input: CreateExtensionInput,
    ) -> Result<ExtensionPayload> {
        let act = Act::begin(ctx).await?;
        let user = ids::named(&input.user_id, "user", "userId");
        let number = input.phone_number_id.map(|id| ids::named(&id, "phone number", "phoneNumberId")).transpose();
        let outcome = match (user, number) {
            (Ok(user), Ok(number)) => {
                let extension = CreateExtension { digits: input.digits, user, number, active: true };
                manage_extensions::create_extension(act.services(), act.viewer(), extension).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Ok(Err(refusal)),
        };
        act.extension(outcome).await
    }
}
