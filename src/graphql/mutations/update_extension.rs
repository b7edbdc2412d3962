use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};

use super::act::Act;
use crate::graphql::errors::Failure;
use crate::graphql::ids;
use crate::graphql::types::ExtensionPayload;
use crate::service::Refusal;
use crate::service::manage_extensions::{self, UpdateExtension};

/// What to change of an extension. What is absent stays.
#[derive(InputObject)]
pub(super) struct UpdateExtensionInput {
    /// The extension.
    extension_id: ID,
    /// 2 to 6 digits, no emergency number, not taken.
    digits: Option<String>,
    /// Whom it reaches.
    user_id: Option<ID>,
    /// The one number it is valid on; null: every number of the agency; absent: as it is.
    phone_number_id: MaybeUndefined<ID>,
}

impl UpdateExtensionInput {
    fn read(self) -> Result<UpdateExtension, Refusal> {
        let number = match self.phone_number_id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(id) => Some(Some(ids::named(&id, "phone number", "phoneNumberId")?)),
        };
        Ok(UpdateExtension {
            extension: ids::named(&self.extension_id, "extension", "extensionId")?,
            digits: self.digits,
            user: self.user_id.map(|id| ids::named(&id, "user", "userId")).transpose()?,
            number,
            active: None,
        })
    }
}

#[derive(Default)]
pub(super) struct UpdateExtensionMutation;

#[Object]
impl UpdateExtensionMutation {
    /// Changes an active extension. For ADMINs.
    async fn update_extension(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change, of which extension.")] input: UpdateExtensionInput,
    ) -> Result<ExtensionPayload, Failure> {
        let act = Act::begin(ctx).await?;
        let outcome = match input.read() {
            Ok(change) => manage_extensions::update_extension(act.services(), act.viewer(), change).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.extension(outcome).await
    }
}
