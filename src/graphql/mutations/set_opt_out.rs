use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::{Contact, ContactPayload};
use crate::service::set_opt_out::set_opt_out;

/// A contact's wish.
#[derive(InputObject)]
pub(super) struct SetOptOutInput {
    /// Whose.
    contact_id: ID,
    /// Whether they want no more texts.
    opted_out: bool,
    /// How it is known, in words; kept in the history of their threads.
    reason: String,
}

#[derive(Default)]
pub(super) struct SetOptOutMutation;

#[Object]
impl SetOptOutMutation {
    /// Records whether a contact wants texts, for wishes expressed in plain words, by telephone or in person. In either
    /// direction it settles the opt-out hints (`Thread.optOutHint`) of all threads of the contact. With `optedOut: false`
    /// it also lifts the carrier's blocks (error 21610) between the contact and the agency's phone numbers. ADMINs only.
    async fn set_opt_out(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The wish.")] input: SetOptOutInput,
    ) -> Result<ContactPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match ids::named(&input.contact_id, "contact", "contactId") {
            Ok(contact) => set_opt_out(act.services(), act.viewer(), contact, input.opted_out, input.reason).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        let (viewer, settled) = act.settle(outcome).await?;
        Ok(match settled {
            Ok(row) => ContactPayload { contact: Some(Contact::new(&viewer, Arc::new(row))), user_errors: vec![] },
            Err(user_errors) => ContactPayload { contact: None, user_errors },
        })
    }
}
