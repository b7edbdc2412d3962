//! Transfer a thread: hand it to a colleague, assign one that nobody holds, or take one over.

use super::thread_act::{Act, Facts, Record, Told, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{Decision, Tenure, transfer};
use crate::domain::{ActivityKind, NotificationKind, ThreadId, UserId};
use crate::entity::thread;

/// The longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 2_000;

/// Transfers a thread to any active user of the agency, with a note for them. To oneself it is a
/// take-over, of which the former assignee is told.
///
/// # Errors
/// When the database fails.
pub async fn transfer_thread(
    services: &Services,
    viewer: &Viewer,
    thread: ThreadId,
    to: UserId,
    note: Option<String>,
) -> Outcome<thread::Model> {
    if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARS || note.contains('\0')) {
        let message = format!("A note has at most {MAX_NOTE_CHARS} characters, none of them NUL.");
        return Ok(Err(Refusal::invalid(message, "note")));
    }
    perform(services, viewer, thread, Transfer { to, note }).await
}

struct Transfer {
    to: UserId,
    note: Option<String>,
}

impl Act for Transfer {
    const ASKS_ROSTER: bool = false;

    fn decide(&self, facts: &Facts<'_>) -> Result<Decision, Refusal> {
        if facts.directory.active_user(self.to).is_none() {
            return Err(Refusal::not_found("active user", "toUserId"));
        }
        Ok(transfer(&facts.tenure, facts.actor, self.to, facts.now))
    }

    fn record(&self, facts: &Facts<'_>, _: &Tenure) -> Record {
        let actor = facts.actor.user;
        let mut told = Vec::new();
        if self.to != actor {
            told.push(Told::one(NotificationKind::ThreadAssigned, self.to));
        }
        if let Some(former) = facts.tenure.assignee.filter(|former| *former != actor) {
            told.push(Told::one(NotificationKind::ThreadTakenOver, former));
        }
        Record { kind: ActivityKind::Transferred, to_user: Some(self.to), note: self.note.clone(), told }
    }
}
