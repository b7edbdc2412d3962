//! A single-flight cache: concurrent requests for a key run one computation and share its value for a second.
//!
//! The obvious version computes the value for each request, or caches it without coordination. Either way all
//! subscribers of an event compute the same response at the same moment. Sharing it, with permissions checked in
//! memory, gave a p99 to 1,000 subscribers of 21 ms instead of 448 ms. Boxing the computation, so that waiters hold no
//! room for it, gave 9.1 KiB instead of 14.8 KiB per idle subscriber after 20 texts (docs/benchmarks.md; `cargo bench
//! --bench live`).
//!
//! To return to the obvious version, let [`SingleFlight::get`] await `compute()` and return its result.
//! `tests/it/shared.rs` counts the executions and statements per event and shows the difference.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

/// How long a value is served, counted from the first request for its key.
const TTL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct SingleFlight<K, V>(Mutex<Entries<K, V>>);

#[derive(Debug)]
struct Entries<K, V> {
    slots: HashMap<K, Arc<OnceCell<V>>>,
    /// Keys with their creation times, oldest first.
    created: VecDeque<(Duration, K)>,
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Entries { slots: HashMap::new(), created: VecDeque::new() }))
    }
}

impl<K: Clone + Eq + Hash, V: Clone> SingleFlight<K, V> {
    /// Returns the value of a key. Waits for a computation that is under way, and otherwise runs `compute`.
    ///
    /// A failed or canceled computation is not shared: the next waiter runs its own. The computation is boxed because
    /// thousands may wait while one computes; see "Boxed futures" in `graphql`.
    pub(super) async fn get<'a, E>(
        &self,
        now: Duration,
        key: K,
        compute: impl FnOnce() -> BoxFuture<'a, Result<V, E>>,
    ) -> Result<V, E> {
        let slot = self.slot(now, key);
        if let Some(value) = slot.get() {
            return Ok(value.clone());
        }
        slot.get_or_try_init(compute).await.cloned()
    }

    /// Returns the value of a key if it has been computed.
    pub(super) fn peek(&self, now: Duration, key: &K) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = entries.slots.get(key)?;
        // Expired slots are removed only when a slot is created, so this one may have expired.
        let is_fresh = entries.created.front().is_none_or(|(at, _)| now.saturating_sub(*at) < TTL);
        slot.get().filter(|_| is_fresh).cloned()
    }

    fn slot(&self, now: Duration, key: K) -> Arc<OnceCell<V>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, old)) = entries.created.pop_front_if(|(at, _)| now.saturating_sub(*at) >= TTL) {
            entries.slots.remove(&old);
        }
        if let Some(slot) = entries.slots.get(&key) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(OnceCell::new());
        entries.slots.insert(key.clone(), Arc::clone(&slot));
        entries.created.push_back((now, key));
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn ready(value: u32) -> impl FnOnce() -> BoxFuture<'static, Result<u32, Infallible>> {
        move || Box::pin(std::future::ready(Ok(value)))
    }

    #[tokio::test]
    async fn a_value_is_computed_once_per_second() {
        let cache = SingleFlight::default();
        let at = Duration::from_millis;
        assert_eq!(cache.get(at(0), "a", ready(1)).await, Ok(1));
        assert_eq!(cache.get(at(999), "a", ready(2)).await, Ok(1));
        assert_eq!(cache.get(at(999), "b", ready(3)).await, Ok(3));
        assert_eq!(cache.get(at(1_000), "a", ready(4)).await, Ok(4));
        assert_eq!(cache.0.lock().unwrap().slots.len(), 2);
    }

    #[tokio::test]
    async fn after_a_failure_or_cancellation_the_next_caller_computes_the_value() {
        let cache: SingleFlight<_, u32> = SingleFlight::default();
        let now = Duration::ZERO;
        assert_eq!(cache.get(now, "a", || Box::pin(std::future::ready(Err("no")))).await, Err("no"));
        let never = || -> BoxFuture<'static, Result<u32, Infallible>> { Box::pin(std::future::pending()) };
        let mut canceled = Box::pin(cache.get(now, "a", never));
        assert!(futures_util::poll!(&mut canceled).is_pending());
        let mut waiting = Box::pin(cache.get(now, "a", ready(7)));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(canceled);
        assert_eq!(waiting.await, Ok(7));
    }
}
