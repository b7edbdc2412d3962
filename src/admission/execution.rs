//! Limits on concurrent requests and on execution time.
//!
//! A request acquires a permit of its user, then one of its agency, then one of the process. Semaphores are fair. A
//! user has only a few permits, so only a few of their requests are ahead of another user's request, however many they
//! send.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::UserConnections;
use super::{Idle, Limited, Scope};
use crate::ports::Clock;

/// Concurrent queries of the process, equal to the number of database connections for them.
const QUERIES: usize = 8;
/// Concurrent queries of one agency, fewer than [`QUERIES`] so that other agencies can always run some.
const AGENCY_QUERIES: usize = 6;
/// Concurrent queries of one user.
const USER_QUERIES: usize = 3;
/// Concurrent mutations of the process.
const MUTATIONS: usize = 256;
/// Concurrent mutations of one agency.
const AGENCY_MUTATIONS: usize = 128;
/// Concurrent mutations of one user.
const USER_MUTATIONS: usize = 32;
/// Concurrent uploads of the process. Each holds a file of at most 5 MB in memory.
const UPLOADS: usize = 32;
/// Concurrent uploads of one agency.
const AGENCY_UPLOADS: usize = 8;
/// Concurrent uploads of one user.
const USER_UPLOADS: usize = 2;
/// Requests of one user that may wait for a permit. Further requests are rejected.
const USER_WAITING: usize = 64;
/// The delay before a client should retry after too many concurrent requests.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Execution time that a user may use beyond one second per second.
const RESERVE: Duration = Duration::from_secs(10);

/// The permits of the process.
pub(super) struct ExecutionPermits {
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

/// The permits of an agency.
pub(super) struct AgencyPermits {
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

/// The permits and the usage of a user.
pub(super) struct UserPermits {
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    waiting: AtomicUsize,
    budget: Mutex<Budget>,
    pub(super) connections: UserConnections,
}

impl Default for AgencyPermits {
    fn default() -> Self {
        Self {
            queries: Arc::new(Semaphore::new(AGENCY_QUERIES)),
            mutations: Arc::new(Semaphore::new(AGENCY_MUTATIONS)),
            uploads: Arc::new(Semaphore::new(AGENCY_UPLOADS)),
        }
    }
}

impl Default for UserPermits {
    fn default() -> Self {
        Self {
            queries: Arc::new(Semaphore::new(USER_QUERIES)),
            mutations: Arc::new(Semaphore::new(USER_MUTATIONS)),
            uploads: Arc::new(Semaphore::new(USER_UPLOADS)),
            waiting: AtomicUsize::new(0),
            budget: Mutex::default(),
            connections: UserConnections::default(),
        }
    }
}

impl Idle for AgencyPermits {
    fn is_idle(&self, _: Duration) -> bool {
        self.queries.available_permits() == AGENCY_QUERIES
            && self.mutations.available_permits() == AGENCY_MUTATIONS
            && self.uploads.available_permits() == AGENCY_UPLOADS
    }
}

impl Idle for UserPermits {
    fn is_idle(&self, now: Duration) -> bool {
        self.queries.available_permits() == USER_QUERIES
            && self.mutations.available_permits() == USER_MUTATIONS
            && self.uploads.available_permits() == USER_UPLOADS
            && self.connections.is_idle()
            && self.budget().is_full(now)
    }
}

impl UserPermits {
    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permits of a running request. Dropping it releases them.
pub struct ExecutionPermit {
    _permits: [OwnedSemaphorePermit; 3],
    /// Charges the execution time to the user; `None` for requests whose time does not count.
    charge: Option<Charge>,
}

struct Charge {
    user: Arc<UserPermits>,
    clock: Arc<dyn Clock>,
    began: Duration,
}

impl Drop for ExecutionPermit {
    fn drop(&mut self) {
        if let Some(Charge { user, clock, began }) = &self.charge {
            let now = clock.monotonic();
            user.budget().charge(now, now.saturating_sub(*began));
        }
    }
}

impl ExecutionPermits {
    pub(super) fn new() -> Self {
        Self {
            queries: Arc::new(Semaphore::new(QUERIES)),
            mutations: Arc::new(Semaphore::new(MUTATIONS)),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
        }
    }

    pub(super) async fn acquire_query(
        &self,
        clock: &Arc<dyn Clock>,
        agency: &AgencyPermits,
        user: &Arc<UserPermits>,
    ) -> Result<ExecutionPermit, Limited> {
        let wait = user.budget().wait(clock.monotonic());
        if !wait.is_zero() {
            return Err(Limited { scope: Scope::ExecutionTime, retry_after: wait });
        }
        let permits = [&user.queries, &agency.queries, &self.queries];
        let permits = acquire_queued(user, permits).await?;
        let charge = Charge { user: user.clone(), clock: clock.clone(), began: clock.monotonic() };
        Ok(ExecutionPermit { _permits: permits, charge: Some(charge) })
    }

    pub(super) async fn acquire_mutation(
        &self,
        agency: &AgencyPermits,
        user: &UserPermits,
    ) -> Result<ExecutionPermit, Limited> {
        let permits = [&user.mutations, &agency.mutations, &self.mutations];
        Ok(ExecutionPermit { _permits: acquire_queued(user, permits).await?, charge: None })
    }

    pub(super) async fn acquire_upload(
        &self,
        agency: &AgencyPermits,
        user: &UserPermits,
    ) -> Result<ExecutionPermit, Limited> {
        let permits = [&user.uploads, &agency.uploads, &self.uploads];
        Ok(ExecutionPermit { _permits: acquire_queued(user, permits).await?, charge: None })
    }

    pub(super) async fn acquire_event(
        &self,
        agency: &AgencyPermits,
        user: &UserPermits,
    ) -> Result<ExecutionPermit, Limited> {
        let permits = acquire([&user.queries, &agency.queries, &self.queries]).await?;
        Ok(ExecutionPermit { _permits: permits, charge: None })
    }
}

/// Waits for permits, or fails if too many requests of the user are waiting.
async fn acquire_queued(user: &UserPermits, from: [&Arc<Semaphore>; 3]) -> Result<[OwnedSemaphorePermit; 3], Limited> {
    struct WaitGuard<'a>(&'a AtomicUsize);
    impl Drop for WaitGuard<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let waiting = user.waiting.fetch_add(1, Ordering::Relaxed);
    let _guard = WaitGuard(&user.waiting);
    if waiting >= USER_WAITING {
        return Err(busy());
    }
    acquire(from).await
}

async fn acquire(from: [&Arc<Semaphore>; 3]) -> Result<[OwnedSemaphorePermit; 3], Limited> {
    let [user, agency, process] = from.map(Arc::clone);
    // Semaphores are never closed.
    let user = user.acquire_owned().await.map_err(|_| busy())?;
    let agency = agency.acquire_owned().await.map_err(|_| busy())?;
    let process = process.acquire_owned().await.map_err(|_| busy())?;
    Ok([user, agency, process])
}

fn busy() -> Limited {
    Limited { scope: Scope::Concurrency, retry_after: RETRY_AFTER }
}

/// The execution time of a user: one second per second, so that one request can always run, and a reserve beyond that.
#[derive(Debug, Default)]
struct Budget {
    /// The used part of the reserve at the time `at`. Running requests can exceed the reserve.
    used: Duration,
    at: Duration,
}

impl Budget {
    fn refill(&mut self, now: Duration) {
        self.used = self.used.saturating_sub(now.saturating_sub(self.at));
        self.at = now;
    }

    fn charge(&mut self, now: Duration, spent: Duration) {
        self.refill(now);
        self.used += spent;
    }

    fn is_full(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.used.is_zero()
    }

    /// The time to wait before the next request; zero while any reserve is left.
    fn wait(&mut self, now: Duration) -> Duration {
        self.refill(now);
        self.used.saturating_sub(RESERVE)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::ports::SystemClock;

    fn user() -> Arc<UserPermits> {
        Arc::default()
    }

    #[test]
    fn a_user_with_one_request_at_a_time_is_never_limited() {
        let mut budget = Budget::default();
        for second in 1..100 {
            let now = Duration::from_secs(second);
            budget.charge(now, Duration::from_secs(1));
            assert_eq!(budget.wait(now), Duration::ZERO, "{second}");
        }
    }

    #[test]
    fn a_user_with_six_requests_at_a_time_uses_up_the_reserve() {
        let mut budget = Budget::default();
        let at = |second| Duration::from_secs(second);
        for second in 1..=2 {
            assert_eq!(budget.wait(at(second)), Duration::ZERO);
            budget.charge(at(second), Duration::from_secs(6));
        }
        assert_eq!(budget.wait(at(2)), Duration::from_secs(1));
        assert_eq!(budget.wait(at(3)), Duration::ZERO);
    }

    #[tokio::test]
    async fn one_user_leaves_permits_for_other_users_and_one_agency_for_other_agencies() {
        let permits = ExecutionPermits::new();
        let (here, there) = (AgencyPermits::default(), AgencyPermits::default());
        let (ana, ben, eve, joe) = (user(), user(), user(), user());
        let mut held = Vec::new();
        for user in [&ana, &ben] {
            for _ in 0..USER_QUERIES {
                held.push(permits.acquire_event(&here, user).now_or_never().unwrap().unwrap());
            }
            assert!(permits.acquire_event(&here, user).now_or_never().is_none(), "a user has {USER_QUERIES} permits");
        }
        assert!(permits.acquire_event(&here, &eve).now_or_never().is_none(), "the agency has {AGENCY_QUERIES} permits");
        assert!(permits.acquire_event(&there, &joe).now_or_never().is_some(), "another agency has a permit");
        held.pop();
        assert!(permits.acquire_event(&here, &eve).now_or_never().is_some(), "the next user gets the free permit");
    }

    #[tokio::test]
    async fn a_request_is_rejected_when_too_many_of_the_user_are_waiting() {
        let (permits, agency, user) = (ExecutionPermits::new(), AgencyPermits::default(), user());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut requests: Vec<_> =
            (0..USER_QUERIES + USER_WAITING).map(|_| Box::pin(permits.acquire_query(&clock, &agency, &user))).collect();
        let mut running: Vec<_> = requests.iter_mut().filter_map(|query| query.now_or_never()).collect();
        assert_eq!(running.len(), USER_QUERIES);
        let rejected = permits.acquire_query(&clock, &agency, &user).now_or_never().unwrap();
        assert_eq!(rejected.err().map(|limited| limited.scope), Some(Scope::Concurrency));
        running.clear();
        requests.clear();
        assert!(user.is_idle(clock.monotonic() + RESERVE));
        assert!(permits.acquire_query(&clock, &agency, &user).now_or_never().unwrap().is_ok());
    }
}
