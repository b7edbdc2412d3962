use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Contact;
use crate::graphql::types::user_error::UserError;
use crate::service::set_opt_out::set_opt_out;

/// The input of `setOptOut`.
#[derive(InputObject)]
pub(super) struct SetOptOutInput {
    /// The ID of the contact whose opt-out is set.
    contact_id: ID,
    /// True to opt the contact out of all texts from the agency, false to opt the contact in again.
    opted_out: bool,
    /// The reason for the change, 1 to 2,000 characters. It is kept in the audit log and in the activity of the
    /// contact's threads.
    reason: String,
}

/// The result of `setOptOut`.
#[derive(SimpleObject)]
pub(super) struct SetOptOutPayload {
    /// The contact in its new state. Null if the mutation was rejected.
    contact: Option<Contact>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct SetOptOutMutation;

#[Object]
impl SetOptOutMutation {
    /// Opts a contact out of texts, or in again, after a request that was made in plain words, by telephone or in
    /// person. In either direction it removes the opt-out hints (`Thread.optOutHint`) of all threads of the contact.
    /// With `optedOut: false` it also clears the carrier's blocks (error 21610) between the contact and the agency's
    /// phone numbers. ADMINs only. Errors: FORBIDDEN, INVALID, NOT_FOUND.
    async fn set_opt_out(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `setOptOut`.")] input: SetOptOutInput,
    ) -> Result<SetOptOutPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.contact_id, "contact", "contactId") {
            Ok(contact) => {
                set_opt_out(mutation.services(), mutation.viewer(), contact, input.opted_out, input.reason).await
            }
            Err(refusal) => Err(refusal.into()),
        };
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(row) => SetOptOutPayload { contact: Some(Contact::new(&viewer, Arc::new(row))), user_errors: vec![] },
            Err(user_errors) => SetOptOutPayload { contact: None, user_errors },
        })
    }
}
