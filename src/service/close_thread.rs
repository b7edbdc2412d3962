//! Close a thread: done, until the contact writes again.

use super::thread_act::{Act, Facts, Record, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{Decision, Tenure, close};
use crate::domain::{ActivityKind, ThreadId};
use crate::entity::thread;

/// Closes a thread. The assignee may, and an admin. It remembers who held it.
///
/// # Errors
/// When the database fails.
pub async fn close_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Close).await
}

struct Close;

impl Act for Close {
    const ASKS_ROSTER: bool = false;

    fn decide(&self, facts: &Facts<'_>) -> Result<Decision, Refusal> {
        Ok(close(&facts.tenure, facts.actor, facts.now))
    }

    fn record(&self, _: &Facts<'_>, _: &Tenure) -> Record {
        Record { kind: ActivityKind::Closed, to_user: None, note: None, told: Vec::new() }
    }
}
