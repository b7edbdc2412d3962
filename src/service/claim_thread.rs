//! Claim a thread: of all who try at once, one has it.

use super::thread_act::{Act, Facts, Record, perform};
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::claim::{Decision, Tenure, claim};
use crate::domain::{ActivityKind, ThreadId};
use crate::entity::thread;

/// Claims a thread for the viewer. To claim what one holds changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn claim_thread(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<thread::Model> {
    perform(services, viewer, thread, Claim).await
}

struct Claim;

impl Act for Claim {
    const ASKS_ROSTER: bool = false;

    fn decide(&self, facts: &Facts<'_>) -> Result<Decision, Refusal> {
        Ok(claim(&facts.tenure, facts.actor, facts.now))
    }

    fn record(&self, facts: &Facts<'_>, _: &Tenure) -> Record {
        Record { kind: ActivityKind::Claimed, to_user: Some(facts.actor.user), note: None, told: Vec::new() }
    }
}
