//! Reopen a thread by hand, as an inbound text would.

use super::thread_act::{Act, Facts, Record, Told, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{Decision, Tenure, reopen};
use crate::domain::{ActivityKind, NotificationKind, ThreadId};
use crate::entity::thread;

/// Reopens a closed thread: to its last assignee while that is recent, otherwise to the pool.
///
/// # Errors
/// When the database fails.
pub async fn reopen_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Reopen).await
}

struct Reopen;

impl Act for Reopen {
    const ASKS_ROSTER: bool = true;

    fn decide(&self, facts: &Facts<'_>) -> Result<Decision, Refusal> {
        Ok(reopen(&facts.tenure, &facts.roster, facts.reopen_within, facts.now))
    }

    fn record(&self, facts: &Facts<'_>, after: &Tenure) -> Record {
        let actor = facts.actor.user;
        let told = match after.assignee {
            Some(assignee) if assignee == actor => Vec::new(),
            Some(assignee) => vec![Told::one(NotificationKind::ThreadAssigned, assignee)],
            None => vec![Told::waiting(&facts.roster, actor)],
        };
        Record { kind: ActivityKind::Reopened, to_user: after.assignee, note: None, told }
    }
}
