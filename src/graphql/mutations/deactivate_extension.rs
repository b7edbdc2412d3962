use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::ExtensionPayload;
use crate::service::manage_extensions;

/// Which extension.
#[derive(InputObject)]
pub(super) struct DeactivateExtensionInput {
    /// The extension.
    extension_id: ID,
}

#[derive(Default)]
pub(super) struct DeactivateExtensionMutation;

#[Object]
impl DeactivateExtensionMutation {
    /// Puts an extension out of use; its digits can be given again. Doing it twice changes nothing. For
    /// ADMINs.
    async fn deactivate_extension(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which extension.")] input: DeactivateExtensionInput,
    ) -> Result<ExtensionPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match ids::named(&input.extension_id, "extension", "extensionId") {
            Ok(id) => manage_extensions::deactivate_extension(act.services(), act.viewer(), id).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.extension(outcome).await
    }
}
