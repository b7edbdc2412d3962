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
use crate::store::notify_listen::{Listener, MAX_PAYLOAD, notify};
use crate::store::writer::Committed;

/// The delay before a lost connection is opened again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What this instance and others tell each other: the newest positions of the agencies in which they have committed,
/// and presence.
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

    fn take_pending(&self) -> BTreeMap<AgencyId, i64> {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends what a [`Bus`] has queued.
pub struct BusSender(Arc<Bus>);

impl BusSender {
    pub fn new(bus: Arc<Bus>) -> Self {
        Self(bus)
    }

    /// Waits until positions or presence are queued, and sends them. They are sent once: after an error or a panic, the
    /// polls of the other instances find the events, and presence that lasts is sent again after a few seconds.
    ///
    /// # Errors
    /// If a notification could not be sent.
    pub async fn send_next(&self) -> Result<(), DbErr> {
        let Self(bus) = self;
        let entries: Vec<String> = tokio::select! {
            // Events must not wait for presence.
            biased;
            () = bus.has_pending.notified() => bus.take_pending().into_iter().map(encode_position).collect(),
            presence = bus.presence.take_outgoing() => presence.iter().map(encode_presence).collect(),
        };
        let mut outcome = Ok(());
        for payload in pack(entries) {
            outcome = outcome.and(notify(&bus.database.reader, &payload).await);
        }
        outcome
    }
}

/// Receives positions and presence from other instances.
pub struct BusReceiver {
    bus: Arc<Bus>,
    /// `None` before the first connection, and after an error or a panic.
    listener: Option<Listener>,
    has_failed: bool,
}

impl BusReceiver {
    pub fn new(bus: Arc<Bus>) -> Self {
        Self { bus, listener: None, has_failed: false }
    }

    /// Opens the connection, or waits for the next notification and processes it. After an error it first waits for a
    /// second.
    ///
    /// # Errors
    /// If the database failed. Until the next success, events of other instances are found by polling.
    pub async fn receive_next(&mut self) -> Result<(), DbErr> {
        if self.has_failed {
            self.bus.clock.sleep(RETRY_DELAY).await;
        }
        let result = match self.listener.take() {
            None => self.connect().await,
            Some(listener) => self.receive(listener).await,
        };
        self.has_failed = result.is_err();
        result
    }

    async fn connect(&mut self) -> Result<(), DbErr> {
        let listener = Listener::open(&self.bus.database).await?;
        // Notifications before LISTEN, or while the connection was lost, are made up for by a poll.
        self.bus.feeds.poll().await?;
        self.listener = Some(listener);
        Ok(())
    }

    async fn receive(&mut self, mut listener: Listener) -> Result<(), DbErr> {
        let Bus { feeds, presence, .. } = &*self.bus;
        match listener.recv().await? {
            Some(payload) => {
                for (agency, position) in payload.split_whitespace().filter_map(decode_position) {
                    feeds.catch_up_to(agency, position).await?;
                }
                for (agency, thread, user, state) in payload.split_whitespace().filter_map(decode_presence) {
                    presence.receive(agency, thread, user, state);
                }
            }
            None => feeds.poll().await?,
        }
        self.listener = Some(listener);
        Ok(())
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
