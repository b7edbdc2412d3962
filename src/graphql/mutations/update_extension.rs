use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Failure;
use crate::graphql::ids;
use crate::graphql::types::Extension;
use crate::graphql::types::user_error::UserError;
use crate::service::Refusal;
use crate::service::manage_extensions::{self, UpdateExtension};

/// The input of `updateExtension`. Absent fields are left unchanged.
#[derive(InputObject)]
pub(super) struct UpdateExtensionInput {
    /// The ID of the active extension to change.
    extension_id: ID,
    /// The digits of the extension: 2 to 6 digits, not an emergency number (911, 933, 112, 999, 000), and not in use by
    /// another active extension of the same scope.
    digits: Option<String>,
    /// The ID of the user that the extension reaches, who must be active.
    user_id: Option<ID>,
    /// The ID of the only phone number on which the extension is valid. Null makes it valid on every number of the
    /// agency.
    phone_number_id: MaybeUndefined<ID>,
}

impl UpdateExtensionInput {
    fn parse(self) -> Result<UpdateExtension, Refusal> {
        let number = match self.phone_number_id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(id) => Some(Some(ids::parse_input(&id, "phone number", "phoneNumberId")?)),
        };
        Ok(UpdateExtension {
            extension: ids::parse_input(&self.extension_id, "extension", "extensionId")?,
            digits: self.digits,
            user: self.user_id.map(|id| ids::parse_input(&id, "user", "userId")).transpose()?,
            number,
            active: None,
        })
    }
}

/// The result of `updateExtension`.
#[derive(SimpleObject)]
pub(super) struct UpdateExtensionPayload {
    /// The extension in its new state. Null if the mutation was rejected.
    extension: Option<Extension>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct UpdateExtensionMutation;

#[Object]
impl UpdateExtensionMutation {
    /// Changes an active extension. ADMINs only. Errors: FORBIDDEN, INVALID, NOT_FOUND, CONFLICT (the digits are
    /// taken).
    async fn update_extension(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `updateExtension`.")] input: UpdateExtensionInput,
    ) -> Result<UpdateExtensionPayload, Failure> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.parse() {
            Ok(change) => manage_extensions::update_extension(mutation.services(), mutation.viewer(), change).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (extension, user_errors) = mutation.extension(outcome).await?;
        Ok(UpdateExtensionPayload { extension, user_errors })
    }
}
