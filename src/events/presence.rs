//! Presence: which users view a thread or compose a text in it. It is held in memory for some seconds, and neither
//! stored nor put into the log. Instances on one PostgreSQL database tell each other over the [`bus`](super::Bus).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, broadcast};

use crate::domain::presence::PresenceState;
use crate::domain::{AgencyId, ThreadId, UserId};
use crate::ports::Clock;

/// How long presence lasts after its client reported it.
pub const LIFETIME: Duration = Duration::from_secs(15);
/// The shortest time between two announcements of one user's presence in one thread.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The time after which other instances are told that unchanged presence lasts.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// The maximum number of threads in which one user is present. Presence in another thread ends that in the thread which
/// was reported longest ago.
const MAX_THREADS: usize = 8;
/// The capacity of the channel of changes of an agency. A subscriber that falls further behind misses changes.
const CAPACITY: usize = 256;

/// The presence of a user in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    pub agency: AgencyId,
    pub thread: ThreadId,
    pub user: UserId,
    pub state: PresenceState,
    /// When the state began.
    pub since: DateTime<Utc>,
}

/// A change of presence. Its number is unique within the process.
#[derive(Debug, Clone, Copy)]
pub struct PresenceChange {
    pub number: u64,
    pub presence: Presence,
}

/// The presence in all agencies.
#[derive(Debug)]
pub struct PresenceBoard {
    clock: Arc<dyn Clock>,
    agencies: Mutex<HashMap<AgencyId, AgencyPresence>>,
    next_number: AtomicU64,
    /// The latest presence to send to other instances; `None` if there are none.
    outgoing: Option<Mutex<HashMap<(ThreadId, UserId), Outgoing>>>,
    has_outgoing: Notify,
}

/// Presence to send to other instances.
#[derive(Debug)]
struct Outgoing {
    presence: Presence,
    /// On the monotonic clock.
    reported_at: Duration,
}

#[derive(Debug)]
struct AgencyPresence {
    threads: HashMap<ThreadId, HashMap<UserId, Entry>>,
    changes: broadcast::Sender<PresenceChange>,
}

#[derive(Debug)]
struct Entry {
    presence: Presence,
    /// All three are on the monotonic clock.
    reported_at: Duration,
    announced_at: Duration,
    relayed_at: Duration,
    /// The last announced state.
    announced: PresenceState,
}

impl PresenceBoard {
    /// `has_peers` says whether other instances are to be told.
    pub fn new(clock: Arc<dyn Clock>, has_peers: bool) -> Self {
        let outgoing = has_peers.then(Mutex::default);
        Self {
            clock,
            agencies: Mutex::default(),
            next_number: AtomicU64::new(0),
            outgoing,
            has_outgoing: Notify::new(),
        }
    }

    /// Records what a user of this instance does in a thread.
    pub fn report(&self, agency: AgencyId, thread: ThreadId, user: UserId, state: PresenceState) -> Presence {
        let (presence, relays) = self.record(agency, thread, user, state);
        if relays {
            self.relay(presence);
        }
        presence
    }

    /// Records what another instance reports.
    pub fn receive(&self, agency: AgencyId, thread: ThreadId, user: UserId, state: PresenceState) {
        self.record(agency, thread, user, state);
    }

    /// The users who are present in a thread, ordered by `since`.
    pub fn of_thread(&self, agency: AgencyId, thread: ThreadId) -> Vec<Presence> {
        let now = self.clock.monotonic();
        let agencies = self.lock();
        let here = agencies.get(&agency).and_then(|of| of.threads.get(&thread));
        let here = here.into_iter().flat_map(HashMap::values).filter(|entry| entry.is_present(now));
        let mut present: Vec<Presence> = here.map(|entry| entry.presence).collect();
        present.sort_by_key(|presence| (presence.since, presence.user));
        present
    }

    /// The changes of presence in an agency from now on.
    pub fn subscribe(&self, agency: AgencyId) -> broadcast::Receiver<PresenceChange> {
        self.lock().entry(agency).or_insert_with(AgencyPresence::new).changes.subscribe()
    }

    /// Announces postponed changes, and the end of presence that was not reported again. To be called each second.
    pub fn expire(&self) {
        let (now, at) = (self.clock.monotonic(), self.clock.now());
        let mut agencies = self.lock();
        for AgencyPresence { threads, changes } in agencies.values_mut() {
            for entry in threads.values_mut().flat_map(HashMap::values_mut) {
                if entry.presence.state != PresenceState::Gone && !entry.is_present(now) {
                    entry.change(PresenceState::Gone, at);
                }
                self.announce(changes, entry, now);
            }
            threads.retain(|_, users| {
                users.retain(|_, entry| entry.announced != PresenceState::Gone || entry.is_waiting(now));
                !users.is_empty()
            });
        }
        agencies.retain(|_, of| !of.threads.is_empty() || of.changes.receiver_count() > 0);
    }

    /// Waits until there is presence to send to other instances, and takes it.
    pub(super) async fn take_outgoing(&self) -> Vec<Presence> {
        self.has_outgoing.notified().await;
        let Some(outgoing) = &self.outgoing else { return Vec::new() };
        let taken = std::mem::take(&mut *outgoing.lock().unwrap_or_else(PoisonError::into_inner));
        let now = self.clock.monotonic();
        // While the database was away, presence may have become too old.
        let lasting = taken.into_values().filter(|report| now.saturating_sub(report.reported_at) < LIFETIME);
        lasting.map(|report| report.presence).collect()
    }

    /// Returns the presence, and whether other instances need to know.
    fn record(&self, agency: AgencyId, thread: ThreadId, user: UserId, state: PresenceState) -> (Presence, bool) {
        let (now, at) = (self.clock.monotonic(), self.clock.now());
        let mut agencies = self.lock();
        let of = agencies.entry(agency).or_insert_with(AgencyPresence::new);
        let AgencyPresence { threads, changes } = of;
        if threads.get(&thread).is_none_or(|users| !users.contains_key(&user)) {
            if state == PresenceState::Gone {
                return (Presence { agency, thread, user, state, since: at }, false);
            }
            leave_oldest(threads, user, at);
        }
        let users = threads.entry(thread).or_default();
        let entry = users.entry(user).or_insert_with(|| Entry::new(agency, thread, user, at, now));
        let is_change = entry.presence.state != state;
        let relays = is_change || now.saturating_sub(entry.relayed_at) >= REFRESH_INTERVAL;
        if is_change {
            entry.change(state, at);
        }
        entry.reported_at = now;
        if relays {
            entry.relayed_at = now;
        }
        self.announce(changes, entry, now);
        (entry.presence, relays)
    }

    /// Tells the subscribers of the state unless they know it or heard of the entry a moment ago.
    fn announce(&self, changes: &broadcast::Sender<PresenceChange>, entry: &mut Entry, now: Duration) {
        if entry.announced == entry.presence.state || entry.is_waiting(now) {
            return;
        }
        (entry.announced, entry.announced_at) = (entry.presence.state, now);
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        // Without subscribers, nobody has to know.
        let _ = changes.send(PresenceChange { number, presence: entry.presence });
    }

    fn relay(&self, presence: Presence) {
        let Some(outgoing) = &self.outgoing else { return };
        let latest = Outgoing { presence, reported_at: self.clock.monotonic() };
        let mut outgoing = outgoing.lock().unwrap_or_else(PoisonError::into_inner);
        outgoing.insert((presence.thread, presence.user), latest);
        drop(outgoing);
        self.has_outgoing.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyId, AgencyPresence>> {
        self.agencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AgencyPresence {
    fn new() -> Self {
        Self { threads: HashMap::new(), changes: broadcast::Sender::new(CAPACITY) }
    }
}

impl Entry {
    /// An entry of a user who is not present yet.
    fn new(agency: AgencyId, thread: ThreadId, user: UserId, since: DateTime<Utc>, now: Duration) -> Self {
        let state = PresenceState::Gone;
        let long_ago = now.saturating_sub(LIFETIME);
        Self {
            presence: Presence { agency, thread, user, state, since },
            reported_at: now,
            announced_at: long_ago,
            relayed_at: long_ago,
            announced: state,
        }
    }

    fn change(&mut self, state: PresenceState, at: DateTime<Utc>) {
        (self.presence.state, self.presence.since) = (state, at);
    }

    fn is_present(&self, now: Duration) -> bool {
        self.presence.state != PresenceState::Gone && now.saturating_sub(self.reported_at) < LIFETIME
    }

    /// Whether the entry was announced a moment ago.
    fn is_waiting(&self, now: Duration) -> bool {
        now.saturating_sub(self.announced_at) < MIN_INTERVAL
    }
}

/// Makes room for the presence of a user in another thread, see [`MAX_THREADS`].
fn leave_oldest(threads: &mut HashMap<ThreadId, HashMap<UserId, Entry>>, user: UserId, at: DateTime<Utc>) {
    let of_user = threads.values_mut().filter_map(|users| users.get_mut(&user));
    let mut present: Vec<_> = of_user.filter(|entry| entry.presence.state != PresenceState::Gone).collect();
    if present.len() < MAX_THREADS {
        return;
    }
    present.sort_by_key(|entry| entry.reported_at);
    if let Some(oldest) = present.into_iter().next() {
        // `expire` announces it.
        oldest.change(PresenceState::Gone, at);
    }
}
