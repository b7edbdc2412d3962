//! Requests that run at the same time.
//!
//! A request takes a permit of its user, then one of its agency, then one of the process. Permits are given in the order
//! in which they were asked for. A user holds only a few, so only a few of their requests stand before those of the next
//! user, however many they send: users take turns.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::UserConnections;
use super::{Idle, Limited, Scope};
use crate::ports::Clock;

/// Queries of the process that run at the same time: as many as there are connections to serve them.
const QUERIES: usize = 8;
/// Queries of one agency that run at the same time: others always have a place.
const AGENCY_QUERIES: usize = 6;
/// Queries of one user that run at the same time.
const USER_QUERIES: usize = 3;
/// Mutations of the process that run at the same time.
const MUTATIONS: usize = 256;
/// Mutations of one agency that run at the same time.
const AGENCY_MUTATIONS: usize = 128;
/// Mutations of one user that run at the same time.
const USER_MUTATIONS: usize = 32;
/// Requests of one user that wait for a permit. More are rejected.
const USER_WAITING: usize = 64;
/// When to try again after too many requests were under way.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Execution time that a user may use beyond one second per second.
const RESERVE: Duration = Duration::from_secs(10);

/// The permits of the process.
pub(super) struct Turns {
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
}

/// The permits of an agency.
pub(super) struct AgencyTurns {
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
}

/// The permits of a user, and what they have used.
pub(super) struct UserTurns {
    queries: Arc<Semaphore>,
    mutations: Arc<Semaphore>,
    waiting: AtomicUsize,
    budget: Mutex<Budget>,
    pub(super) connections: UserConnections,
}

impl Default for AgencyTurns {
    fn default() -> Self {
        let (queries, mutations) = (Semaphore::new(AGENCY_QUERIES), Semaphore::new(AGENCY_MUTATIONS));
        Self { queries: Arc::new(queries), mutations: Arc::new(mutations) }
    }
}

impl Default for UserTurns {
    fn default() -> Self {
        Self {
            queries: Arc::new(Semaphore::new(USER_QUERIES)),
            mutations: Arc::new(Semaphore::new(USER_MUTATIONS)),
            waiting: AtomicUsize::new(0),
            budget: Mutex::default(),
            connections: UserConnections::default(),
        }
    }
}

impl Idle for AgencyTurns {
    fn is_idle(&self, _: Duration) -> bool {
        self.queries.available_permits() == AGENCY_QUERIES && self.mutations.available_permits() == AGENCY_MUTATIONS
    }
}

impl Idle for UserTurns {
    fn is_idle(&self, now: Duration) -> bool {
        self.queries.available_permits() == USER_QUERIES
            && self.mutations.available_permits() == USER_MUTATIONS
            && self.connections.is_idle()
            && self.budget().is_full(now)
    }
}

impl UserTurns {
    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permission to run. It ends when it is dropped.
pub struct Turn {
    _permits: [OwnedSemaphorePermit; 3],
    /// Present if the execution time counts.
    charge: Option<Charge>,
}

struct Charge {
    user: Arc<UserTurns>,
    clock: Arc<dyn Clock>,
    began: Duration,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(Charge { user, clock, began }) = &self.charge {
            let now = clock.monotonic();
            user.budget().charge(now, now.saturating_sub(*began));
        }
    }
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { queries: Arc::new(Semaphore::new(QUERIES)), mutations: Arc::new(Semaphore::new(MUTATIONS)) }
    }

    pub(super) async fn query(
        &self,
        clock: &Arc<dyn Clock>,
        agency: &AgencyTurns,
        user: &Arc<UserTurns>,
    ) -> Result<Turn, Limited> {
        let wait = user.budget().wait(clock.monotonic());
        if !wait.is_zero() {
            return Err(Limited { scope: Scope::ExecutionTime, retry_after: wait });
        }
        let permits = [&user.queries, &agency.queries, &self.queries];
        let permits = in_line(user, permits).await?;
        let charge = Charge { user: user.clone(), clock: clock.clone(), began: clock.monotonic() };
        Ok(Turn { _permits: permits, charge: Some(charge) })
    }

    pub(super) async fn mutation(&self, agency: &AgencyTurns, user: &UserTurns) -> Result<Turn, Limited> {
        let permits = [&user.mutations, &agency.mutations, &self.mutations];
        Ok(Turn { _permits: in_line(user, permits).await?, charge: None })
    }

    pub(super) async fn event(&self, agency: &AgencyTurns, user: &UserTurns) -> Result<Turn, Limited> {
        let permits = acquire([&user.queries, &agency.queries, &self.queries]).await?;
        Ok(Turn { _permits: permits, charge: None })
    }
}

/// Waits for permits, unless too many requests of the user wait already.
async fn in_line(user: &UserTurns, from: [&Arc<Semaphore>; 3]) -> Result<[OwnedSemaphorePermit; 3], Limited> {
    struct Place<'a>(&'a AtomicUsize);
    impl Drop for Place<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let waiting = user.waiting.fetch_add(1, Ordering::Relaxed);
    let _place = Place(&user.waiting);
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

/// The execution time of a user: one second per second, so that one request can always run, and a reserve for more.
#[derive(Debug, Default)]
struct Budget {
    /// What is used of the reserve, as of `at`. It can exceed the reserve by what was under way.
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

    /// How long to wait before the next request: zero while there is a reserve.
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

    fn user() -> Arc<UserTurns> {
        Arc::default()
    }

    #[test]
    fn a_user_who_asks_one_at_a_time_is_never_limited() {
        let mut budget = Budget::default();
        for second in 1..100 {
            let now = Duration::from_secs(second);
            budget.charge(now, Duration::from_secs(1));
            assert_eq!(budget.wait(now), Duration::ZERO, "{second}");
        }
    }

    #[test]
    fn a_user_who_asks_six_at_a_time_uses_up_the_reserve() {
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
    async fn one_user_leaves_places_for_other_users_and_one_agency_for_other_agencies() {
        let turns = Turns::new();
        let (here, there) = (AgencyTurns::default(), AgencyTurns::default());
        let (ana, ben, eve, joe) = (user(), user(), user(), user());
        let mut held = Vec::new();
        for asked in [&ana, &ben] {
            for _ in 0..USER_QUERIES {
                held.push(turns.event(&here, asked).now_or_never().unwrap().unwrap());
            }
            assert!(turns.event(&here, asked).now_or_never().is_none(), "a user has {USER_QUERIES}");
        }
        assert!(turns.event(&here, &eve).now_or_never().is_none(), "the agency has {AGENCY_QUERIES}");
        assert!(turns.event(&there, &joe).now_or_never().is_some(), "another agency has a place");
        held.pop();
        assert!(turns.event(&here, &eve).now_or_never().is_some(), "the next user has the free place");
    }

    #[tokio::test]
    async fn a_user_who_sends_more_than_can_wait_is_rejected() {
        let (turns, agency, user) = (Turns::new(), AgencyTurns::default(), user());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut under_way: Vec<_> =
            (0..USER_QUERIES + USER_WAITING).map(|_| Box::pin(turns.query(&clock, &agency, &user))).collect();
        let mut turns_taken: Vec<_> = under_way.iter_mut().filter_map(|query| query.now_or_never()).collect();
        assert_eq!(turns_taken.len(), USER_QUERIES);
        let rejected = turns.query(&clock, &agency, &user).now_or_never().unwrap();
        assert_eq!(rejected.err().map(|limited| limited.scope), Some(Scope::Concurrency));
        turns_taken.clear();
        under_way.clear();
        assert!(user.is_idle(clock.monotonic() + RESERVE));
        assert!(turns.query(&clock, &agency, &user).now_or_never().unwrap().is_ok());
    }
}
