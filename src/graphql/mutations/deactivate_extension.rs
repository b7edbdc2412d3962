use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Extension;
use crate::graphql::types::user_error::UserError;
use crate::service::manage_extensions;

/// The input of `deactivateExtension`.
#[derive(InputObject)]
pub(super) struct DeactivateExtensionInput {
    /// The ID of the extension to deactivate.
    extension_id: ID,
}

/// The result of `deactivateExtension`.
#[derive(SimpleObject)]
pub(super) struct DeactivateExtensionPayload {
    /// The extension in its new state. Null if the mutation was rejected.
    extension: Option<Extension>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct DeactivateExtensionMutation;

#[Object]
impl DeactivateExtensionMutation {
    /// Deactivates an extension; its digits can then be used for another one. Deactivating it again changes nothing.
    /// ADMINs only. Errors: FORBIDDEN, NOT_FOUND.
    async fn deactivate_extension(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `deactivateExtension`.")] input: DeactivateExtensionInput,
    ) -> Result<DeactivateExtensionPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.extension_id, "extension", "extensionId") {
            Ok(id) => manage_extensions::deactivate_extension(mutation.services(), mutation.viewer(), id).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (extension, user_errors) = mutation.extension(outcome).await?;
        Ok(DeactivateExtensionPayload { extension, user_errors })
    }
}
