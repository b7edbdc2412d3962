use async_graphql::{Context, Object};

use super::act::{Act, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::close_thread::close_thread;

#[derive(Default)]
pub(super) struct CloseThreadMutation;

#[Object]
impl CloseThreadMutation {
    /// Closes a thread. For its assignee and for ADMINs. An inbound text reopens it.
    async fn close_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which thread.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match input.thread() {
            Ok(thread) => close_thread(act.services(), act.viewer(), thread).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.thread(outcome).await
    }
}
