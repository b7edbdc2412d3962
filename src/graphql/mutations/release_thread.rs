use async_graphql::{Context, Object};

use super::act::{Act, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::release_thread::release_thread;

#[derive(Default)]
pub(super) struct ReleaseThreadMutation;

#[Object]
impl ReleaseThreadMutation {
    /// Gives a thread back to its pool. For its assignee and for ADMINs.
    async fn release_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which thread.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match input.thread() {
            Ok(thread) => release_thread(act.services(), act.viewer(), thread).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.thread(outcome).await
    }
}
