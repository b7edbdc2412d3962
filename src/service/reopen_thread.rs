//! Reopen a thread manually, with the same result as an inbound text.

use super::thread_action::{Alert, Consequences, ThreadAction, ThreadContext, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{ClaimState, Decision, reopen};
use crate::domain::{ActivityKind, NotificationKind, ThreadId};
use crate::entity::thread;

/// Reopens a closed thread. If it was closed recently, it goes to its last assignee, otherwise to the pool.
pub async fn reopen_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Reopen).await
}

struct Reopen;

impl ThreadAction for Reopen {
    const NEEDS_ROSTER: bool = true;

    fn decide(&self, context: &ThreadContext<'_>) -> Result<Decision, Refusal> {
        Ok(reopen(&context.claim_state, &context.roster, context.reopen_within, context.now))
    }

    fn consequences(&self, context: &ThreadContext<'_>, after: &ClaimState) -> Consequences {
        let actor = context.actor.user;
        let alerts = match after.assignee {
            Some(assignee) if assignee == actor => Vec::new(),
            Some(assignee) => vec![Alert::user(NotificationKind::ThreadAssigned, assignee)],
            None => vec![Alert::unclaimed(&context.roster, actor)],
        };
        Consequences { kind: ActivityKind::Reopened, to_user: after.assignee, note: None, alerts }
    }
}
