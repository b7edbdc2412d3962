//! Admission control: what one user, one agency or one address may ask of the server at a time.
//!
//! Users share the server fairly, and no setting makes one of them wait for another's work: [`rates`] bounds requests per
//! second, [`turns`] bounds requests that run at the same time and the execution time that they use, [`connections`]
//! bounds sockets, subscriptions and bytes that wait to be sent. Webhooks are not admitted here: they are signed, and
//! read through connections of their own (ADR 14).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{AgencyId, UserId};
use crate::ports::Clock;

mod address;
mod connections;
mod figures;
mod rates;
mod turns;

pub use address::TrustedProxies;
pub use connections::{Reservation, SocketPermit, SubscriptionPermit};
pub use figures::Figures;
pub use turns::Turn;

use connections::Connections;
use rates::Rates;
use turns::{AgencyTurns, Turns, UserTurns};

/// The limits that an operator can set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests per second of one user.
    pub user_rate: u32,
    /// Requests per second of all users of one agency.
    pub agency_rate: u32,
    /// Requests per second without a valid token from one address.
    pub address_rate: u32,
    /// Open sockets of the process.
    pub sockets: usize,
    /// Open sockets of one user.
    pub user_sockets: usize,
    /// Proxies whose `X-Forwarded-For` header names the client.
    pub trusted_proxies: TrustedProxies,
}

/// What a limit applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Requests per second of a user.
    User,
    /// Requests per second of an agency.
    Agency,
    /// Failed authentications per second of an address.
    Address,
    /// Requests of a user that run or wait at the same time.
    Concurrency,
    /// Execution time of a user.
    ExecutionTime,
    /// Open sockets.
    Sockets,
    /// Open subscriptions.
    Subscriptions,
}

/// A request is rejected because a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// The limit.
    pub scope: Scope,
    /// When the same request may succeed.
    retry_after: Duration,
}

impl Limited {
    /// When to try again, in whole seconds: at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        let seconds = self.retry_after.as_secs();
        if self.retry_after.subsec_nanos() == 0 { seconds.max(1) } else { seconds + 1 }
    }

    /// What is wrong and what to do, for the person who develops the client.
    pub fn message(&self) -> String {
        let reason = match self.scope {
            Scope::User => "This user sends too many requests.",
            Scope::Agency => "The users of this agency send too many requests.",
            Scope::Address => "Too many requests without a valid token come from this address.",
            Scope::Concurrency => "This user has too many requests under way.",
            Scope::ExecutionTime => "The requests of this user take too much time. Request less at a time.",
            Scope::Sockets => "Too many sockets are open.",
            Scope::Subscriptions => "This user has too many or too large subscriptions.",
        };
        format!("{reason} Try again in {} s.", self.retry_after_seconds())
    }
}

/// Decides which requests are served now, later or not at all.
pub struct Admission {
    clock: Arc<dyn Clock>,
    rates: Rates,
    turns: Turns,
    connections: Connections,
    trusted_proxies: TrustedProxies,
    users: Registry<UserId, UserTurns>,
    agencies: Registry<AgencyId, AgencyTurns>,
    figures: Figures,
}

impl Admission {
    /// Admission with these limits.
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            rates: Rates::new(limits, clock.clone()),
            turns: Turns::new(),
            connections: Connections::new(limits),
            trusted_proxies: limits.trusted_proxies.clone(),
            users: Registry::default(),
            agencies: Registry::default(),
            figures: Figures::default(),
            clock,
        })
    }

    /// The figures for `/metrics`.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The address of a client that sent these `X-Forwarded-For` headers, the first header first.
    pub fn client_address<'a>(&self, peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        self.trusted_proxies.client(peer, forwarded_for)
    }

    /// Counts a request of a user.
    ///
    /// # Errors
    /// When the user or their agency sends more than the limit.
    pub fn request(&self, agency: AgencyId, user: UserId) -> Result<(), Limited> {
        self.counted(self.rates.user(user).and_then(|()| self.rates.agency(agency)))
    }

    /// Counts a request without a valid token. Requests with one are never rejected because of others from their address.
    ///
    /// # Errors
    /// When the address sends more than the limit.
    pub fn failed_authentication(&self, address: IpAddr) -> Result<(), Limited> {
        self.counted(self.rates.address(address))
    }

    /// Waits until a query of this user may run. Queries of a user run a few at a time, and users take turns.
    ///
    /// # Errors
    /// When the user has too many requests waiting or has used up their execution time.
    pub async fn query(&self, agency: AgencyId, user: UserId) -> Result<Turn, Limited> {
        let (agency, user) = (self.agency(agency), self.user(user));
        let turn = self.turns.query(&self.clock, &agency, &user).await;
        self.counted(turn)
    }

    /// Waits until a mutation of this user may run. Mutations mostly wait for the writer, so more of them run at a time.
    ///
    /// # Errors
    /// When the user has too many requests waiting.
    pub async fn mutation(&self, agency: AgencyId, user: UserId) -> Result<Turn, Limited> {
        let (agency, user) = (self.agency(agency), self.user(user));
        let turn = self.turns.mutation(&agency, &user).await;
        self.counted(turn)
    }

    /// Waits until a subscription document of this user may be executed for an event. Shares its limits with
    /// [`query`](Self::query); the wait ends when the subscription does.
    ///
    /// # Errors
    /// Never in practice: when the process ends.
    pub async fn event(&self, agency: AgencyId, user: UserId) -> Result<Turn, Limited> {
        let (agency, user) = (self.agency(agency), self.user(user));
        self.turns.event(&agency, &user).await
    }

    /// Opens a socket of this user.
    ///
    /// # Errors
    /// When the user or the process has too many.
    pub fn socket(self: &Arc<Self>, user: UserId) -> Result<SocketPermit, Limited> {
        self.counted(self.connections.socket(self, user))
    }

    /// Begins a subscription of this user, whose document and variables have so many bytes.
    ///
    /// # Errors
    /// When the user or the process has too many.
    pub fn subscription(self: &Arc<Self>, user: UserId, bytes: usize) -> Result<SubscriptionPermit, Limited> {
        self.counted(self.connections.subscription(self, user, bytes))
    }

    /// Waits until so many bytes may be prepared for sending to this user. A user who does not read what they asked for
    /// makes only themselves wait.
    pub async fn reserve(&self, user: UserId, bytes: usize) -> Reservation {
        Reservation::acquire(&self.user(user), bytes).await
    }

    fn agency(&self, agency: AgencyId) -> Arc<AgencyTurns> {
        self.agencies.get(agency, self.clock.monotonic())
    }

    fn user(&self, user: UserId) -> Arc<UserTurns> {
        self.users.get(user, self.clock.monotonic())
    }

    fn counted<T>(&self, result: Result<T, Limited>) -> Result<T, Limited> {
        if let Err(limited) = &result {
            self.figures.count(limited.scope);
        }
        result
    }
}

/// State by user or agency, created when it is first needed and dropped once it is idle.
struct Registry<K, V>(Mutex<Entries<K, V>>);

struct Entries<K, V> {
    by_key: HashMap<K, Arc<V>>,
    /// Idle entries are dropped when there are this many.
    limit: usize,
}

/// State that can be dropped while nothing happens, because the same state is created again.
trait Idle: Default {
    fn is_idle(&self, now: Duration) -> bool;
}

/// Below this number of entries, none is looked for to drop.
const MIN_ENTRIES: usize = 1_024;

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Entries { by_key: HashMap::new(), limit: MIN_ENTRIES }))
    }
}

impl<K: Copy + Eq + Hash, V: Idle> Registry<K, V> {
    fn get(&self, key: K, now: Duration) -> Arc<V> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.by_key.get(&key) {
            return entry.clone();
        }
        if entries.by_key.len() >= entries.limit {
            entries.by_key.retain(|_, entry| Arc::strong_count(entry) > 1 || !entry.is_idle(now));
            entries.limit = (entries.by_key.len() * 2).max(MIN_ENTRIES);
        }
        entries.by_key.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Entry;

    impl Idle for Entry {
        fn is_idle(&self, _: Duration) -> bool {
            true
        }
    }

    #[test]
    fn idle_entries_are_dropped_and_used_ones_are_kept() {
        let registry = Registry::<usize, Entry>::default();
        let used = registry.get(0, Duration::ZERO);
        for key in 1..10 * MIN_ENTRIES {
            registry.get(key, Duration::ZERO);
        }
        assert!(registry.0.lock().unwrap().by_key.len() <= MIN_ENTRIES);
        assert!(Arc::ptr_eq(&used, &registry.get(0, Duration::ZERO)));
    }

    #[test]
    fn waiting_times_are_rounded_up() {
        for (millis, seconds) in [(0, 1), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (9_500, 10)] {
            let limited = Limited { scope: Scope::User, retry_after: Duration::from_millis(millis) };
            assert_eq!(limited.retry_after_seconds(), seconds, "{millis} ms");
        }
    }
}
