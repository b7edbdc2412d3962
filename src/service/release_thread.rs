//! Release a thread: it becomes unclaimed, and the users it is routed to are notified.

use super::thread_action::{Alert, Consequences, ThreadAction, ThreadContext, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{ClaimState, Decision, release};
use crate::domain::{ActivityKind, ThreadId};
use crate::entity::thread;

/// Releases a thread. The assignee and admins may do this.
pub async fn release_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Release).await
}

struct Release;

impl ThreadAction for Release {
    const NEEDS_ROSTER: bool = true;

    fn decide(&self, context: &ThreadContext<'_>) -> Result<Decision, Refusal> {
        Ok(release(&context.claim_state, context.actor))
    }

    fn consequences(&self, context: &ThreadContext<'_>, _: &ClaimState) -> Consequences {
        Consequences {
            kind: ActivityKind::Released,
            to_user: None,
            note: None,
            alerts: vec![Alert::unclaimed(&context.roster, context.actor.user)],
        }
    }
}
