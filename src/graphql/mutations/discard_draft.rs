use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::user_error::UserError;
use crate::service::drafts::discard_draft;

/// The input of `discardDraft`.
#[derive(InputObject)]
pub(super) struct DiscardDraftInput {
    /// The ID of the thread whose draft is deleted.
    thread_id: ID,
}

/// The result of `discardDraft`.
#[derive(SimpleObject)]
pub(super) struct DiscardDraftPayload {
    /// The ID of the thread, which no longer has a draft of the viewer. Null if the mutation was rejected.
    thread_id: Option<ID>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct DiscardDraftMutation;

#[Object]
impl DiscardDraftMutation {
    /// Deletes the viewer's draft in a thread. Without a draft it changes nothing. Errors: NOT_FOUND.
    async fn discard_draft(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `discardDraft`.")] input: DiscardDraftInput,
    ) -> Result<DiscardDraftPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => discard_draft(mutation.services(), mutation.viewer(), thread).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (_, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(thread) => DiscardDraftPayload { thread_id: Some(thread.into()), user_errors: vec![] },
            Err(user_errors) => DiscardDraftPayload { thread_id: None, user_errors },
        })
    }
}
