use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Extension;
use crate::graphql::types::user_error::UserError;
use crate::service::manage_extensions::{self, CreateExtension};

/// The input of `createExtension`.
#[derive(InputObject)]
pub(super) struct CreateExtensionInput {
    /// The digits of the extension: 2 to 6 digits, not an emergency number (911, 933, 112, 999, 000), and not in use by
    /// another active extension of the same scope.
    digits: String,
    /// The ID of the user that the extension reaches, who must be active.
    user_id: ID,
    /// The ID of the only phone number on which the extension is valid. If absent or null, it is valid on every number
    /// of the agency.
    phone_number_id: Option<ID>,
}

/// The result of `createExtension`.
#[derive(SimpleObject)]
pub(super) struct CreateExtensionPayload {
    /// The extension in its new state. Null if the mutation was rejected.
    extension: Option<Extension>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct CreateExtensionMutation;

#[Object]
impl CreateExtensionMutation {
    /// Creates an extension. ADMINs only. Errors: FORBIDDEN, INVALID, NOT_FOUND, CONFLICT (the digits are taken).
    async fn create_extension(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `createExtension`.")] input: CreateExtensionInput,
    ) -> Result<CreateExtensionPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let user = ids::parse_input(&input.user_id, "user", "userId");
        let number = input.phone_number_id.map(|id| ids::parse_input(&id, "phone number", "phoneNumberId")).transpose();
        let outcome = match (user, number) {
            (Ok(user), Ok(number)) => {
                let extension = CreateExtension { digits: input.digits, user, number, active: true };
                manage_extensions::create_extension(mutation.services(), mutation.viewer(), extension).await
            }
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.into()),
        };
        let (extension, user_errors) = mutation.extension(outcome).await?;
        Ok(CreateExtensionPayload { extension, user_errors })
    }
}
