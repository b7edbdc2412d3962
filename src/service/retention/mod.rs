//! Deletes what is older than the periods of its agency, in small batches.
//!
//! A batch is one unit of work of a few milliseconds, so that webhooks keep their latency. Its size follows the time
//! that the batch before it took. A run deletes a bounded number of batches, and the next run continues.
//!
//! Rows are found without the agency's lock and checked again under it. After a crash, a run begins again and finds what
//! is left.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Fault, Services};
use crate::domain::AgencyId;
use crate::domain::retention::cutoff;
use crate::entity::agency;
use crate::store::retention;

pub(super) mod batch;
pub(super) mod deletions;
pub(super) mod files;
mod steps;

use batch::Run;
pub use batch::{Purged, PurgedKind};

/// The number of batches in a run.
const MAX_BATCHES: u32 = 150;
/// The number of batches of one kind of data of one agency in a run. Several kinds fit into a run, so that a million old
/// events do not keep messages waiting.
const MAX_BATCHES_OF_KIND: u32 = 25;
/// How long the position in a table is remembered. Rows before it that could not be deleted, such as a text that is
/// still being sent, are tried again afterwards.
const MAX_CURSOR_AGE: Duration = Duration::from_secs(24 * 3600);

/// How far the runs of this process have come in each table.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<ProgressState>,
}

#[derive(Debug, Default)]
struct ProgressState {
    cursors: HashMap<(AgencyId, Table), Uuid>,
    /// When the cursors were last cleared, on the monotonic clock.
    since: Duration,
    /// The agency that the last run ended with.
    last_agency: Option<AgencyId>,
}

/// A table, or a part of it, that is read in the order of its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Messages,
    Calls,
    Activities,
    Notifications,
    ReadNotifications(crate::domain::UserId),
    Media,
    Voicemails,
}

impl Progress {
    fn with<T>(&self, work: impl FnOnce(&mut ProgressState) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, now: Duration) {
        self.with(|state| {
            if now.saturating_sub(state.since) >= MAX_CURSOR_AGE {
                state.cursors.clear();
                state.since = now;
            }
        });
    }

    fn cursor(&self, agency: AgencyId, table: Table) -> Uuid {
        self.with(|state| state.cursors.get(&(agency, table)).copied().unwrap_or(Uuid::nil()))
    }

    fn advance(&self, agency: AgencyId, table: Table, to: Uuid) {
        self.with(|state| state.cursors.insert((agency, table), to));
    }
}

/// The times before which the data of an agency is deleted. `None` keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutoffs {
    pub(super) agency: AgencyId,
    pub(super) messages: Option<DateTime<Utc>>,
    pub(super) media: Option<DateTime<Utc>>,
    pub(super) recordings: Option<DateTime<Utc>>,
    pub(super) events: DateTime<Utc>,
    pub(super) at_carrier: bool,
}

impl Cutoffs {
    fn of(agency: &agency::Model, now: DateTime<Utc>) -> Self {
        let before = |days: Option<i32>| days.map(|days| cutoff(now, days));
        Self {
            agency: agency.id,
            messages: before(agency.messages_days),
            media: before(agency.media_days),
            recordings: before(agency.recordings_days),
            events: cutoff(now, agency.events_days),
            at_carrier: agency.delete_at_carrier,
        }
    }
}

/// Deletes a bounded amount of what is too old, and adds it to `purged`. Does nothing while sending is on hold after a
/// restore, because the restored data may be needed to complete it.
pub async fn apply_retention(services: &Services, purged: &mut Purged) -> Result<(), Fault> {
    if services.restore.is_held() {
        return Ok(());
    }
    services.retention.begin(services.clock.monotonic());
    let now = services.clock.now();
    let mut agencies = retention::agencies(services.reader()).await?;
    // Continues with the agency after the last one, so that a large agency does not keep others waiting.
    if let Some(last) = services.retention.with(|state| state.last_agency) {
        let next = agencies.partition_point(|agency| agency.id <= last);
        let by = next % agencies.len().max(1);
        agencies.rotate_left(by);
    }
    let mut run = Run::new(services, purged, MAX_BATCHES);
    for agency in &agencies {
        let cutoffs = Cutoffs::of(agency, now);
        services.retention.with(|state| state.last_agency = Some(agency.id));
        steps::purge_agency(&mut run, &cutoffs).await?;
        if run.is_used_up() {
            return Ok(());
        }
    }
    steps::purge_unassigned_quarantine(&mut run, now).await
}
