//! Transfer a thread to a colleague, assign an unclaimed thread, or take a thread over.

use super::thread_action::{Alert, Consequences, ThreadAction, ThreadContext, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{ClaimState, Decision, transfer};
use crate::domain::{ActivityKind, NotificationKind, ThreadId, UserId};
use crate::entity::thread;

pub const MAX_NOTE_CHARS: usize = 2_000;

/// Transfers a thread to any active user of the agency, with a note for that user. A transfer to the viewer is a
/// takeover, which notifies the former assignee.
pub async fn transfer_thread(
    services: &Services,
    viewer: &Viewer,
    thread: ThreadId,
    to: UserId,
    note: Option<String>,
) -> Outcome<thread::Model> {
    if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARS || note.contains('\0')) {
        let message = format!("A note can have at most {MAX_NOTE_CHARS} characters and must not contain NUL.");
        return Err(Refusal::invalid(message, "note").into());
    }
    perform(services, viewer, thread, Transfer { to, note }).await
}

struct Transfer {
    to: UserId,
    note: Option<String>,
}

impl ThreadAction for Transfer {
    const NEEDS_ROSTER: bool = false;

    fn decide(&self, context: &ThreadContext<'_>) -> Result<Decision, Refusal> {
        if context.directory.active_user(self.to).is_none() {
            return Err(Refusal::not_found("active user", "toUserId"));
        }
        Ok(transfer(&context.claim_state, context.actor, self.to, context.now))
    }

    fn consequences(&self, context: &ThreadContext<'_>, _: &ClaimState) -> Consequences {
        let actor = context.actor.user;
        let mut alerts = Vec::new();
        if self.to != actor {
            alerts.push(Alert::user(NotificationKind::ThreadAssigned, self.to));
        }
        if let Some(former) = context.claim_state.assignee.filter(|former| *former != actor) {
            alerts.push(Alert::user(NotificationKind::ThreadTakenOver, former));
        }
        Consequences { kind: ActivityKind::Transferred, to_user: Some(self.to), note: self.note.clone(), alerts }
    }
}
