//! What many need at the same moment, made once: by whoever asks first, while the others wait.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

/// For how long a value is shown again. After that whoever asks has it made anew.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Values by key, each for a second.
#[derive(Debug)]
pub(super) struct Recent<K, V>(Mutex<Kept<K, V>>);

#[derive(Debug)]
struct Kept<K, V> {
    slots: HashMap<K, Arc<OnceCell<V>>>,
    /// Keys in the order of their birth, oldest first.
    births: VecDeque<(Duration, K)>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Kept { slots: HashMap::new(), births: VecDeque::new() }))
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    /// The value of a key: the one that is there, or that somebody is making, or what `make` makes.
    /// A failure is its maker's alone: the next in line tries anew. Boxed, for thousands wait while one
    /// makes.
    pub(super) async fn get<'a, E>(
        &self,
        now: Duration,
        key: K,
        make: impl FnOnce() -> BoxFuture<'a, Result<V, E>>,
    ) -> Result<V, E> {
        let slot = self.slot(now, key);
        if let Some(made) = slot.get() {
            return Ok(made.clone());
        }
        // Whoever is making the value may give up at any moment; then another one makes it.
        slot.get_or_try_init(make).await.cloned()
    }

    /// The value of a key, if it has been made.
    pub(super) fn made(&self, now: Duration, key: &K) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = kept.slots.get(key)?;
        // Slots are removed when the next one is created, so one that is too old may still be there.
        let is_fresh = kept.births.front().is_none_or(|(born, _)| now.saturating_sub(*born) < KEPT_FOR);
        slot.get().filter(|_| is_fresh).cloned()
    }

    fn slot(&self, now: Duration, key: K) -> Arc<OnceCell<V>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, old)) = kept.births.pop_front_if(|(born, _)| now.saturating_sub(*born) >= KEPT_FOR) {
            kept.slots.remove(&old);
        }
        if let Some(slot) = kept.slots.get(&key) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(OnceCell::new());
        kept.slots.insert(key.clone(), Arc::clone(&slot));
        kept.births.push_back((now, key));
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
    async fn a_value_is_made_once_in_a_second() {
        let recent = Recent::default();
        let at = Duration::from_millis;
        assert_eq!(recent.get(at(0), "a", ready(1)).await, Ok(1));
        assert_eq!(recent.get(at(999), "a", ready(2)).await, Ok(1));
        assert_eq!(recent.get(at(999), "b", ready(3)).await, Ok(3));
        assert_eq!(recent.get(at(1_000), "a", ready(4)).await, Ok(4));
        assert_eq!(recent.0.lock().unwrap().slots.len(), 2);
    }

    #[tokio::test]
    async fn a_failure_or_a_maker_who_leaves_spoils_nothing_for_the_next() {
        let recent: Recent<_, u32> = Recent::default();
        let now = Duration::ZERO;
        assert_eq!(recent.get(now, "a", || Box::pin(std::future::ready(Err("no")))).await, Err("no"));
        let never = || -> BoxFuture<'static, Result<u32, Infallible>> { Box::pin(std::future::pending()) };
        let mut leaving = Box::pin(recent.get(now, "a", never));
        assert!(futures_util::poll!(&mut leaving).is_pending());
        let mut waiting = Box::pin(recent.get(now, "a", ready(7)));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(leaving);
        assert_eq!(waiting.await, Ok(7));
    }
}
