//! Admission control: limits on the requests of one user, one agency and one address.
//!
//! Users share the server fairly, and no user waits for the work of another: [`rates`] bounds requests per second,
//! [`execution`] bounds requests that run at the same time and the execution time that they use, [`connections`] bounds
//! sockets, subscriptions and unsent bytes. Webhooks are not limited here, because they are signed and use their own
//! database connections (ADR 14).

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{AgencyId, UserId};
use crate::ports::Clock;

mod address;
mod connections;
mod execution;
mod figures;
mod rates;

pub use address::TrustedProxies;
pub use connections::{Reservation, SocketPermit, SubscriptionPermit};
pub use execution::ExecutionPermit;
pub use figures::Figures;

use connections::Connections;
use execution::{AgencyPermits, ExecutionPermits, UserPermits};
use rates::Rates;

/// The limits that an operator can set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests per second of one user.
    pub user_rate: u32,
    /// Requests per second of all users of one agency.
    pub agency_rate: u32,
    /// Requests per second without a valid token from one address.
    pub address_rate: u32,
    /// Open WebSockets of the process.
    pub sockets: usize,
    /// Open WebSockets of one user.
    pub user_sockets: usize,
    /// Proxies whose `X-Forwarded-For` header names the client.
    pub trusted_proxies: TrustedProxies,
}

/// The limit that rejected a request.
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
    /// Open WebSockets of a user or the process.
    Sockets,
    /// Open subscriptions of a user or the process, or their size.
    Subscriptions,
}

/// A request is rejected because a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    pub scope: Scope,
    /// The time after which the same request may succeed.
    retry_after: Duration,
}

impl Limited {
    /// `retry_after` in seconds, rounded up, at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        let seconds = self.retry_after.as_secs();
        if self.retry_after.subsec_nanos() == 0 { seconds.max(1) } else { seconds + 1 }
    }

    /// A message for the developer of the client.
    pub fn message(&self) -> String {
        let reason = match self.scope {
            Scope::User => "This user sends too many requests.",
            Scope::Agency => "The users of this agency send too many requests.",
            Scope::Address => "This address sends too many requests without a valid token.",
            Scope::Concurrency => "This user has too many concurrent requests.",
            Scope::ExecutionTime => "The requests of this user take too much time. Request less data at a time.",
            Scope::Sockets => "Too many sockets are open.",
            Scope::Subscriptions => "This user has too many or too large subscriptions.",
        };
        format!("{reason} Try again in {} s.", self.retry_after_seconds())
    }
}

/// Decides whether a request is served now, later or not at all.
pub struct Admission {
    clock: Arc<dyn Clock>,
    rates: Rates,
    execution: ExecutionPermits,
    connections: Connections,
    trusted_proxies: TrustedProxies,
    users: Registry<UserId, UserPermits>,
    agencies: Registry<AgencyId, AgencyPermits>,
    figures: Figures,
}

impl Admission {
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            rates: Rates::new(limits, clock.clone()),
            execution: ExecutionPermits::new(),
            connections: Connections::new(limits),
            trusted_proxies: limits.trusted_proxies.clone(),
            users: Registry::default(),
            agencies: Registry::default(),
            figures: Figures::default(),
            clock,
        })
    }

    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Returns the address of the client. `forwarded_for` are the `X-Forwarded-For` headers in order.
    pub fn client_address<'a>(&self, peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        self.trusted_proxies.client(peer, forwarded_for)
    }

    /// Counts a request of a user.
    pub fn count_request(&self, agency: AgencyId, user: UserId) -> Result<(), Limited> {
        self.count_rejection(self.rates.user(user).and_then(|()| self.rates.agency(agency)))
    }

    /// Counts a request without a valid token. Requests with a valid token are not limited by address.
    pub fn count_failed_authentication(&self, address: IpAddr) -> Result<(), Limited> {
        self.count_rejection(self.rates.address(address))
    }

    /// Waits for the permits to run a query. Each user has only a few, so users take turns.
    ///
    /// # Errors
    /// If the user has too many waiting requests or has used up their execution time.
    pub async fn acquire_query(&self, agency: AgencyId, user: UserId) -> Result<ExecutionPermit, Limited> {
        let (agency, user) = (self.agency(agency), self.user(user));
        let permit = self.execution.acquire_query(&self.clock, &agency, &user).await;
        self.count_rejection(permit)
    }

    /// Waits for the permits to run a mutation. Mutations mostly wait for the writer, so more of them run concurrently.
    ///
    /// # Errors
    /// If the user has too many waiting requests.
    pub async fn acquire_mutation(&self, agency: AgencyId, user: UserId) -> Result<ExecutionPermit, Limited> {
        let (agency, user) = (self.agency(agency), self.user(user));
        let permit = self.execution.acquire_mutation(&agency, &user).await;
        self.count_rejection(permit)
    }

    /// Waits for the permits to receive a file. They bound the memory of files that arrive at the same time.
    ///
    /// # Errors
    /// If the user has too many waiting requests.
    pub async fn acquire_upload(&self, agency: AgencyId, user: UserId) -> Result<ExecutionPermit, Limited> {
        let (agency, user) = (self.agency(agency), self.user(user));
        let permit = self.execution.acquire_upload(&agency, &user).await;
        self.count_rejection(permit)
    }

    /// Waits for the permits to execute a subscription for an event. Shares its limits with
    /// [`acquire_query`](Self::acquire_query). Does not fail in practice.
    pub async fn acquire_event(&self, agency: AgencyId, user: UserId) -> Result<ExecutionPermit, Limited> {
        let (agency, user) = (self.agency(agency), self.user(user));
        self.execution.acquire_event(&agency, &user).await
    }

    /// Counts a socket as open until the permit is dropped.
    pub fn open_socket(self: &Arc<Self>, user: UserId) -> Result<SocketPermit, Limited> {
        self.count_rejection(self.connections.socket(self, user))
    }

    /// Counts a subscription as open until the permit is dropped. `bytes` is the size of its document and variables.
    pub fn open_subscription(self: &Arc<Self>, user: UserId, bytes: usize) -> Result<SubscriptionPermit, Limited> {
        self.count_rejection(self.connections.subscription(self, user, bytes))
    }

    /// Waits until this many bytes may be prepared for sending to this user. A user who does not read responses only
    /// delays their own requests.
    pub async fn reserve(&self, user: UserId, bytes: usize) -> Reservation {
        Reservation::acquire(&self.user(user), bytes).await
    }

    fn agency(&self, agency: AgencyId) -> Arc<AgencyPermits> {
        self.agencies.get(agency, self.clock.monotonic())
    }

    fn user(&self, user: UserId) -> Arc<UserPermits> {
        self.users.get(user, self.clock.monotonic())
    }

    fn count_rejection<T>(&self, result: Result<T, Limited>) -> Result<T, Limited> {
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
    /// Idle entries are dropped when this many entries exist.
    limit: usize,
}

/// State that can be dropped while it is idle, because it would be created again in the same state.
trait Idle: Default {
    fn is_idle(&self, now: Duration) -> bool;
}

/// Idle entries are not dropped below this number of entries.
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
