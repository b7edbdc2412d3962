use async_graphql::{Context, Object};

use super::act::{Act, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::reopen_thread::reopen_thread;

#[derive(Default)]
pub(super) struct ReopenThreadMutation;

#[Object]
impl ReopenThreadMutation {
    /// Reopens a closed thread as an inbound text would: to its last assignee, if it was closed lately
    /// and they are eligible and AVAILABLE, otherwise to the pool.
    async fn reopen_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which thread.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match input.thread() {
            Ok(thread) => reopen_thread(act.services(), act.viewer(), thread).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.thread(outcome).await
    }
}
