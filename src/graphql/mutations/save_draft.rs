use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Draft;
use crate::graphql::types::user_error::UserError;
use crate::service::Refusal;
use crate::service::drafts::{SaveDraft, save_draft};

/// The input of `saveDraft`.
#[derive(InputObject)]
pub(super) struct SaveDraftInput {
    /// The ID of the thread in which the draft is saved.
    thread_id: ID,
    /// The text so far, 1 to 4,000 characters.
    body: String,
    /// The ID of the extension as which the text is to be sent. Default: none.
    as_extension_id: Option<ID>,
    /// The ID of the newest message in the thread that the viewer has seen. Default: none.
    based_on_message_id: Option<ID>,
}

impl SaveDraftInput {
    fn parse(self) -> std::result::Result<SaveDraft, Refusal> {
        let extension = self.as_extension_id.map(|id| ids::parse_input(&id, "extension", "asExtensionId"));
        let based_on = self.based_on_message_id.map(|id| ids::parse_input(&id, "message", "basedOnMessageId"));
        Ok(SaveDraft {
            thread: ids::parse_input(&self.thread_id, "thread", "threadId")?,
            body: self.body,
            extension: extension.transpose()?,
            based_on: based_on.transpose()?,
        })
    }
}

/// The result of `saveDraft`.
#[derive(SimpleObject)]
pub(super) struct SaveDraftPayload {
    /// The saved draft. Null if the mutation was rejected.
    draft: Option<Draft>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct SaveDraftMutation;

#[Object]
impl SaveDraftMutation {
    /// Saves the viewer's draft in a thread, in place of an earlier one. No other user sees it. Errors: NOT_FOUND,
    /// INVALID.
    async fn save_draft(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `saveDraft`.")] input: SaveDraftInput,
    ) -> Result<SaveDraftPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match input.parse() {
            Ok(draft) => save_draft(mutation.services(), mutation.viewer(), draft).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (draft, user_errors) = mutation.draft(outcome).await?;
        Ok(SaveDraftPayload { draft, user_errors })
    }
}
