use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use super::mutation_context::{MutationContext, to_option};
use crate::graphql::errors::Failure;
use crate::graphql::ids;
use crate::graphql::types::Contact;
use crate::graphql::types::user_error::UserError;
use crate::service::Refusal;
use crate::service::update_contact::{UpdateContact, update_contact};

/// The input of `updateContact`. Absent fields are left unchanged.
#[derive(InputObject)]
pub(super) struct UpdateContactInput {
    /// The ID of the contact to change.
    contact_id: ID,
    /// The name of the contact, 1 to 200 characters. Null removes it.
    name: MaybeUndefined<String>,
    /// A note about the contact, 1 to 4,000 characters, visible to all users who may see the contact. Null removes it.
    note: MaybeUndefined<String>,
    /// The ID of the contact's provider, who must be active. Null means that the contact has none. ADMINs only.
    provider_id: MaybeUndefined<ID>,
}

impl UpdateContactInput {
    fn parse(self) -> Result<UpdateContact, Refusal> {
        let provider = to_option(self.provider_id);
        let provider = provider.map(|id| id.map(|id| ids::parse_input(&id, "active user", "providerId")).transpose());
        Ok(UpdateContact {
            contact: ids::parse_input(&self.contact_id, "contact", "contactId")?,
            name: to_option(self.name),
            note: to_option(self.note),
            provider: provider.transpose()?,
        })
    }
}

/// The result of `updateContact`.
#[derive(SimpleObject)]
pub(super) struct UpdateContactPayload {
    /// The contact in its new state. Null if the mutation was rejected.
    contact: Option<Contact>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct UpdateContactMutation;

#[Object]
impl UpdateContactMutation {
    /// Changes the name, the note or the provider of a contact that the viewer may see. Each thread of the contact gets
    /// an event. Errors: FORBIDDEN (the provider is set by ADMINs only), INVALID, NOT_FOUND.
    async fn update_contact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `updateContact`.")] input: UpdateContactInput,
    ) -> Result<UpdateContactPayload, Failure> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.parse() {
            Ok(change) => update_contact(mutation.services(), mutation.viewer(), change).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => {
                UpdateContactPayload { contact: Some(Contact::new(&viewer, Arc::new(row))), user_errors: vec![] }
            }
            Err(user_errors) => UpdateContactPayload { contact: None, user_errors },
        })
    }
}
