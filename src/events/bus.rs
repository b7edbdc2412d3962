//! How instances on one PostgreSQL database wake each other. Elsewhere, and when this fails, the poll
//! of each second does it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::Notify;

use super::Feeds;
use crate::domain::AgencyId;
use crate::ports::Clock;
use crate::store::Database;
use crate::store::failure::describe;
use crate::store::wake::{Listener, MAX_PAYLOAD, notify};
use crate::store::writer::Committed;

/// After a lost connection, so that a database that is away is not asked all the time.
const BREATHER: Duration = Duration::from_secs(1);

/// The newest positions of the agencies in which this instance has committed, on their way to the
/// other instances.
#[derive(Debug)]
pub struct Bus {
    database: Database,
    feeds: Arc<Feeds>,
    clock: Arc<dyn Clock>,
    /// What was committed while the last message was under way goes with the next one.
    untold: Mutex<BTreeMap<AgencyId, i64>>,
    more: Notify,
}

impl Bus {
    /// A bus that has told nothing yet.
    pub fn new(database: Database, feeds: Arc<Feeds>, clock: Arc<dyn Clock>) -> Self {
        Self { database, feeds, clock, untold: Mutex::default(), more: Notify::new() }
    }

    /// Puts what was committed on its way. It never waits.
    pub fn announce(&self, committed: &[Committed]) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        for Committed { agency, events, .. } in committed {
            if let Some(newest) = events.last() {
                untold.insert(*agency, newest.position);
            }
        }
        drop(untold);
        self.more.notify_one();
    }

    /// Tells the others, for ever.
    pub async fn tell(&self) {
        loop {
            self.more.notified().await;
            let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
            for payload in payloads(untold) {
                if let Err(error) = notify(&self.database.reader, &payload).await {
                    // Not told again: the others' poll finds it.
                    tracing::warn!(error = describe(&error), "other instances could not be woken");
                }
            }
        }
    }

    /// Hears what the others tell, for ever.
    pub async fn hear(&self) {
        loop {
            let Err(error) = self.listen().await;
            tracing::warn!(error = describe(&error), "other instances are not heard; the poll stands in");
            self.clock.sleep(BREATHER).await;
        }
    }

    async fn listen(&self) -> Result<std::convert::Infallible, DbErr> {
        let mut listener = Listener::open(&self.database).await?;
        // What was told before we listened, or while the connection was lost, is looked up.
        self.feeds.poll().await?;
        loop {
            match listener.next().await? {
                Some(payload) => {
                    for (agency, position) in read(&payload) {
                        self.feeds.notice(agency, position).await?;
                    }
                }
                None => self.feeds.poll().await?,
            }
        }
    }
}

/// `agency:position` after `agency:position`, in as few messages as there must be.
fn payloads(untold: BTreeMap<AgencyId, i64>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for (agency, position) in untold {
        let entry = format!("{agency}:{position} ");
        match payloads.last_mut().filter(|payload| payload.len() + entry.len() <= MAX_PAYLOAD) {
            Some(payload) => payload.push_str(&entry),
            None => payloads.push(entry),
        }
    }
    payloads
}

/// What cannot be read is not ours: anybody who may connect may NOTIFY.
fn read(payload: &str) -> impl Iterator<Item = (AgencyId, i64)> {
    payload.split_whitespace().filter_map(|entry| {
        let (agency, position) = entry.split_once(':')?;
        Some((agency.parse().ok()?, position.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn positions_travel_in_few_messages() {
        let untold: BTreeMap<_, _> = (0..500).map(|n| (AgencyId(Uuid::from_u128(n)), i64::MAX)).collect();
        let payloads = payloads(untold.clone());
        assert!(payloads.len() < 6 && payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        assert_eq!(payloads.iter().flat_map(|payload| read(payload)).collect::<BTreeMap<_, _>>(), untold);
    }

    #[test]
    fn what_others_put_on_the_channel_is_passed_over() {
        assert_eq!(read("x agy_1:2 : ::: 5").count(), 0);
    }
}
