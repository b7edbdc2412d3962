//! Close a thread. An inbound text reopens it.

use super::thread_action::{Consequences, ThreadAction, ThreadContext, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{ClaimState, Decision, close};
use crate::domain::{ActivityKind, ThreadId};
use crate::entity::thread;

/// Closes a thread and records its last assignee. The assignee and admins may do this.
pub async fn close_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Close).await
}

struct Close;

impl ThreadAction for Close {
    const NEEDS_ROSTER: bool = false;

    fn decide(&self, context: &ThreadContext<'_>) -> Result<Decision, Refusal> {
        Ok(close(&context.claim_state, context.actor, context.now))
    }

    fn consequences(&self, _: &ThreadContext<'_>, _: &ClaimState) -> Consequences {
        Consequences::of(ActivityKind::Closed, None)
    }
}
