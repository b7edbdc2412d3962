//! Release a thread: it waits for somebody again, and they are told.

use super::thread_act::{Act, Facts, Record, Told, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{Decision, Tenure, release};
use crate::domain::{ActivityKind, ThreadId};
use crate::entity::thread;

/// Gives a thread back. The assignee may, and an admin.
///
/// # Errors
/// When the database fails.
pub async fn release_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Release).await
}

struct Release;

impl Act for Release {
    const ASKS_ROSTER: bool = true;

    fn decide(&self, facts: &Facts<'_>) -> Result<Decision, Refusal> {
        Ok(release(&facts.tenure, facts.actor))
    }

    fn record(&self, facts: &Facts<'_>, _: &Tenure) -> Record {
        Record {
            kind: ActivityKind::Released,
            to_user: None,
            note: None,
            told: vec![Told::waiting(&facts.roster, facts.actor.user)],
        }
    }
}
