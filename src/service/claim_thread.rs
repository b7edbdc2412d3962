//! Claim a thread. Of several simultaneous claimers exactly one wins.

use super::thread_action::{Consequences, ThreadAction, ThreadContext, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{ClaimState, Decision, claim};
use crate::domain::{ActivityKind, ThreadId};
use crate::entity::thread;

/// Claims a thread for the viewer. If the viewer is already the assignee, nothing changes.
pub async fn claim_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Claim).await
}

struct Claim;

impl ThreadAction for Claim {
    const NEEDS_ROSTER: bool = false;

    fn decide(&self, context: &ThreadContext<'_>) -> Result<Decision, Refusal> {
        Ok(claim(&context.claim_state, context.actor, context.now))
    }

    fn consequences(&self, context: &ThreadContext<'_>, _: &ClaimState) -> Consequences {
        Consequences::of(ActivityKind::Claimed, Some(context.actor.user))
    }
}
