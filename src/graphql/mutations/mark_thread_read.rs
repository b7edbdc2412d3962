use async_graphql::{Context, Object};

use super::act::{Act, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::mark_thread_read::mark_thread_read;

#[derive(Default)]
pub(super) struct MarkThreadReadMutation;

#[Object]
impl MarkThreadReadMutation {
    /// Marks all messages of a thread as read by the viewer.
    async fn mark_thread_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which thread.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match input.thread() {
            Ok(thread) => mark_thread_read(act.services(), act.viewer(), thread).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.thread(outcome).await
    }
}
