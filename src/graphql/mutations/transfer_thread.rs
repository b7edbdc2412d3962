use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::ThreadPayload;
use crate::service::transfer_thread::transfer_thread;

/// Which thread, and to whom.
#[derive(InputObject)]
pub(super) struct TransferThreadInput {
    /// The thread.
    thread_id: ID,
    /// Any active user of the agency.
    to_user_id: ID,
    /// For the next one to read.
    note: Option<String>,
}

#[derive(Default)]
pub(super) struct TransferThreadMutation;

#[Object]
impl TransferThreadMutation {
    /// Gives a thread to another user, or takes it over: a transfer to oneself, which any handler may
    /// do and which tells the former assignee.
    async fn transfer_thread(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which thread, and to whom.")] input: TransferThreadInput,
    ) -> Result<ThreadPayload> {
        let act = Act::begin(ctx).await?;
        let thread = ids::named(&input.thread_id, "thread", "threadId");
        let to = ids::named(&input.to_user_id, "user", "toUserId");
        let outcome = match (thread, to) {
            (Ok(thread), Ok(to)) => transfer_thread(act.services(), act.viewer(), thread, to, input.note).await,
            (Err(refusal), _) | (_, Err(refusal)) => Ok(Err(refusal)),
        };
        act.thread(outcome).await
    }
}
