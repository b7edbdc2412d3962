//! Notifications between instances on one PostgreSQL database. With other databases, and when notifications fail, the
//! poll of the positions, once per second, replaces them. Presence travels the same way, and is not replaced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::Notify;

use super::presence::Presence;
use super::{Feeds, PresenceBoard};
use crate::domain::presence::PresenceState;
use crate::domain::{AgencyId, ThreadId, UserId};
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
    presence: Arc<PresenceBoard>,
    clock: Arc<dyn Clock>,
    /// Positions that are not sent yet. Commits during a send are merged into the next message.
    pending: Mutex<BTreeMap<AgencyId, i64>>,
    has_pending: Notify,
}

impl Bus {
    pub fn new(database: Database, feeds: Arc<Feeds>, presence: Arc<PresenceBoard>, clock: Arc<dyn Clock>) -> Self {
        Self { database, feeds, presence, clock, pending: Mutex::default(), has_pending: Notify::new() }
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

    /// Sends queued positions and presence. It never returns.
    pub async fn run_sender(&self) {
        loop {
            let entries: Vec<String> = tokio::select! {
                // Events must not wait for presence.
                biased;
                () = self.has_pending.notified() => self.take_pending().into_iter().map(encode_position).collect(),
                presence = self.presence.take_outgoing() => presence.iter().map(encode_presence).collect(),
            };
            for payload in pack(entries) {
                if let Err(error) = notify(&self.database.reader, &payload).await {
                    // Not retried, because the other instances also poll.
                    tracing::warn!(error = describe(&error), "other instances could not be notified");
                }
            }
        }
    }

    fn take_pending(&self) -> BTreeMap<AgencyId, i64> {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Receives positions and presence from other instances. It never returns.
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
                    for (agency, position) in payload.split_whitespace().filter_map(decode_position) {
                        self.feeds.catch_up_to(agency, position).await?;
                    }
                    for (agency, thread, user, state) in payload.split_whitespace().filter_map(decode_presence) {
                        self.presence.receive(agency, thread, user, state);
                    }
                }
                None => self.feeds.poll().await?,
            }
        }
    }
}

fn encode_position((agency, position): (AgencyId, i64)) -> String {
    format!("{agency}:{position} ")
}

fn encode_presence(presence: &Presence) -> String {
    let Presence { agency, thread, user, state, .. } = presence;
    format!("{agency}:{thread}:{user}:{} ", state.as_str())
}

/// Puts entries into as few messages as possible.
fn pack(entries: Vec<String>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for entry in entries {
        match payloads.last_mut().filter(|payload| payload.len() + entry.len() <= MAX_PAYLOAD) {
            Some(payload) => payload.push_str(&entry),
            None => payloads.push(entry),
        }
    }
    payloads
}

/// `None` for an invalid entry, because any user of the database can NOTIFY on the channel.
fn decode_position(entry: &str) -> Option<(AgencyId, i64)> {
    let (agency, position) = entry.split_once(':')?;
    Some((agency.parse().ok()?, position.parse().ok()?))
}

/// `None` for an invalid entry, as in [`decode_position`].
fn decode_presence(entry: &str) -> Option<(AgencyId, ThreadId, UserId, PresenceState)> {
    let mut parts = entry.split(':');
    let (agency, thread, user) = (parts.next()?, parts.next()?, parts.next()?);
    let state = PresenceState::from_name(parts.next()?)?;
    Some((agency.parse().ok()?, thread.parse().ok()?, user.parse().ok()?, state))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn entries_are_packed_into_few_messages() {
        let pending: BTreeMap<_, _> = (0..500).map(|n| (AgencyId(Uuid::from_u128(n)), i64::MAX)).collect();
        let payloads = pack(pending.clone().into_iter().map(encode_position).collect());
        assert!(payloads.len() < 6 && payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        let decoded = payloads.iter().flat_map(|payload| payload.split_whitespace().filter_map(decode_position));
        assert_eq!(decoded.collect::<BTreeMap<_, _>>(), pending);
    }

    #[test]
    fn presence_is_decoded_as_it_was_encoded() {
        let [agency, thread, user] = [1, 2, 3].map(Uuid::from_u128);
        for state in [PresenceState::Viewing, PresenceState::Composing, PresenceState::Gone] {
            let (agency, thread, user) = (AgencyId(agency), ThreadId(thread), UserId(user));
            let presence = Presence { agency, thread, user, state, since: chrono::DateTime::UNIX_EPOCH };
            let encoded = encode_presence(&presence);
            assert_eq!(decode_presence(encoded.trim_end()), Some((agency, thread, user, state)));
            assert_eq!(decode_position(encoded.trim_end()), None, "an earlier version skips it");
        }
    }

    #[test]
    fn invalid_entries_of_other_senders_are_skipped() {
        for entry in ["x", "agy_1:2", ":", ":::", "5", "agy_1:thr_1:usr_1:ASLEEP", "agy_1:thr_1"] {
            assert!(decode_position(entry).is_none() && decode_presence(entry).is_none(), "{entry}");
        }
    }
}
