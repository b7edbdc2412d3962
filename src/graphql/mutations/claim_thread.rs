use async_graphql::{Context, Object};

use super::act::{Act, ThreadInput};
use crate::graphql::errors::Result;
use crate::graphql::types::ThreadPayload;
use crate::service::claim_thread::claim_thread;

#[derive(Default)]
pub(super) struct ClaimThreadMutation;

#[Object]
impl ClaimThreadMutation {
    /// Claims a thread for the viewer. Of any number of simultaneous claimers one wins; the others get
    /// a `ThreadAlreadyClaimedError` that names the winner. To claim what one holds changes nothing.
    async fn claim_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which thread.")] input: ThreadInput,
    ) -> Result<ThreadPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match input.thread() {
            Ok(thread) => claim_thread(act.services(), act.viewer(), thread).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.thread(outcome).await
    }
}
