//! Metrics of rejected requests.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Scope;

/// The numbers of rejected requests by limit.
#[derive(Debug, Default)]
pub struct Figures([AtomicU64; ALL.len()]);

const ALL: [(Scope, &str); 7] = [
    (Scope::User, "user_rate"),
    (Scope::Agency, "agency_rate"),
    (Scope::Address, "address_rate"),
    (Scope::Concurrency, "concurrency"),
    (Scope::ExecutionTime, "execution_time"),
    (Scope::Sockets, "sockets"),
    (Scope::Subscriptions, "subscriptions"),
];

impl Figures {
    pub(super) fn count(&self, scope: Scope) {
        let all = ALL.iter().zip(&self.0);
        for (_, count) in all.filter(|((one, _), _)| *one == scope) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the name of each limit and the number of requests that it has rejected.
    pub fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ALL.iter().zip(&self.0).map(|((_, name), count)| (*name, count.load(Ordering::Relaxed)))
    }
}
