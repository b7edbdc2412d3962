//! Notifications between instances on one PostgreSQL database. With other databases, and when notifications fail, the
//! poll of the positions, once per second, replaces them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::Notify;

use super::Feeds;
use crate::domain::AgencyId;
use crate::ports::Clock;
use crate::store::Database;
use crate::store::error_class::describe;
use crate::store::notify_listen::{Listener, MAX_PAYLOAD, notify};
use crate::store::writer::Committed;

/// The delay before a lost connection is opened again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Sends the newest positions of the agencies in which this instance has committed, and receives those of others.
#[derive(Debug)]
pub struct Bus {
    database: Database,
    feeds: Arc<Feeds>,
    clock: Arc<dyn Clock>,
    /// Positions that are not sent yet. Commits during a send are merged into the next message.
    pending: Mutex<BTreeMap<AgencyId, i64>>,
    has_pending: Notify,
}

impl Bus {
    pub fn new(database: Database, feeds: Arc<Feeds>, clock: Arc<dyn Clock>) -> Self {
        Self { database, feeds, clock, pending: Mutex::default(), has_pending: Notify::new() }
    }

    /// Queues the positions of a commit for sending. It never waits.
    pub fn announce(&self, committed: &[Committed]) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for Committed { agency, events, .. } in committed {
            if let Some(newest) = events.last() {
                pending.insert(*agency, newest.position);
            }
        }
        drop(pending);
        self.has_pending.notify_one();
    }

    /// Sends queued positions. It never returns.
    pub async fn run_sender(&self) {
        loop {
            self.has_pending.notified().await;
            let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
            for payload in encode_payloads(pending) {
                if let Err(error) = notify(&self.database.reader, &payload).await {
                    // Not retried, because the other instances also poll.
                    tracing::warn!(error = describe(&error), "other instances could not be notified");
                }
            }
        }
    }

    /// Receives positions from other instances. It never returns.
    pub async fn run_listener(&self) {
        loop {
            let Err(error) = self.listen().await;
            tracing::warn!(
                error = describe(&error),
                "notifications from other instances are not received; events are polled instead"
            );
            self.clock.sleep(RETRY_DELAY).await;
        }
    }

    async fn listen(&self) -> Result<std::convert::Infallible, DbErr> {
        let mut listener = Listener::open(&self.database).await?;
        // Notifications before LISTEN, or while the connection was lost, are made up for by a poll.
        self.feeds.poll().await?;
        loop {
            match listener.recv().await? {
                Some(payload) => {
                    for (agency, position) in decode_payload(&payload) {
                        self.feeds.catch_up_to(agency, position).await?;
                    }
                }
                None => self.feeds.poll().await?,
            }
        }
    }
}

/// Encodes positions as `agency:position` pairs, separated by spaces, in as few messages as possible.
fn encode_payloads(pending: BTreeMap<AgencyId, i64>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for (agency, position) in pending {
        let entry = format!("{agency}:{position} ");
        match payloads.last_mut().filter(|payload| payload.len() + entry.len() <= MAX_PAYLOAD) {
            Some(payload) => payload.push_str(&entry),
            None => payloads.push(entry),
        }
    }
    payloads
}

/// Skips invalid entries, because any user of the database can NOTIFY on the channel.
fn decode_payload(payload: &str) -> impl Iterator<Item = (AgencyId, i64)> {
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
    fn positions_are_encoded_in_few_messages() {
        let pending: BTreeMap<_, _> = (0..500).map(|n| (AgencyId(Uuid::from_u128(n)), i64::MAX)).collect();
        let payloads = encode_payloads(pending.clone());
        assert!(payloads.len() < 6 && payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        assert_eq!(payloads.iter().flat_map(|payload| decode_payload(payload)).collect::<BTreeMap<_, _>>(), pending);
    }

    #[test]
    fn invalid_entries_of_other_senders_are_skipped() {
        assert_eq!(decode_payload("x agy_1:2 : ::: 5").count(), 0);
    }
}
