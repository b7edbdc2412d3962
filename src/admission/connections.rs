//! Limits on open sockets, open subscriptions and unsent bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::execution::UserPermits;
use super::{Admission, Limited, Limits, Scope};
use crate::domain::UserId;

/// Open subscriptions of the process.
const SUBSCRIPTIONS: usize = 65_536;
/// Open subscriptions of one user.
const USER_SUBSCRIPTIONS: usize = 1_024;
/// Bytes of the documents and variables of a user's subscriptions. A parsed document takes up to a hundred times its
/// length.
const USER_SUBSCRIPTION_BYTES: usize = 256 * 1024;
/// Unsent KiB of one user.
const USER_UNSENT_KIB: u32 = 8 * 1024;
/// The delay before a client should retry after too many open sockets or subscriptions.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The counts of the process.
pub(super) struct Connections {
    max_sockets: usize,
    max_user_sockets: usize,
    sockets: AtomicUsize,
    subscriptions: AtomicUsize,
}

/// The counts of a user.
pub(super) struct UserConnections {
    sockets: AtomicUsize,
    subscriptions: AtomicUsize,
    subscription_bytes: AtomicUsize,
    unsent: Arc<Semaphore>,
}

impl Default for UserConnections {
    fn default() -> Self {
        Self {
            sockets: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
            subscription_bytes: AtomicUsize::new(0),
            unsent: Arc::new(Semaphore::new(USER_UNSENT_KIB as usize)),
        }
    }
}

impl UserConnections {
    /// Whether no bytes are reserved. Open sockets and subscriptions keep the entry alive by a reference of their own.
    pub(super) fn is_idle(&self) -> bool {
        self.unsent.available_permits() == USER_UNSENT_KIB as usize
    }
}

impl Connections {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max_sockets: limits.sockets,
            max_user_sockets: limits.user_sockets,
            sockets: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
        }
    }

    pub(super) fn socket(&self, admission: &Arc<Admission>, user: UserId) -> Result<SocketPermit, Limited> {
        let limited = || Limited { scope: Scope::Sockets, retry_after: RETRY_AFTER };
        let user = admission.user(user);
        try_add(&user.connections.sockets, 1, self.max_user_sockets).ok_or_else(limited)?;
        if try_add(&self.sockets, 1, self.max_sockets).is_none() {
            user.connections.sockets.fetch_sub(1, Ordering::Relaxed);
            return Err(limited());
        }
        Ok(SocketPermit { admission: admission.clone(), user })
    }

    pub(super) fn subscription(
        &self,
        admission: &Arc<Admission>,
        user: UserId,
        bytes: usize,
    ) -> Result<SubscriptionPermit, Limited> {
        let user = admission.user(user);
        let counts = [
            (&user.connections.subscriptions, 1, USER_SUBSCRIPTIONS),
            (&user.connections.subscription_bytes, bytes, USER_SUBSCRIPTION_BYTES),
            (&self.subscriptions, 1, SUBSCRIPTIONS),
        ];
        for (taken, (count, amount, limit)) in counts.iter().enumerate() {
            if try_add(count, *amount, *limit).is_none() {
                for (count, amount, _) in &counts[..taken] {
                    count.fetch_sub(*amount, Ordering::Relaxed);
                }
                return Err(Limited { scope: Scope::Subscriptions, retry_after: RETRY_AFTER });
            }
        }
        Ok(SubscriptionPermit { admission: admission.clone(), user, bytes })
    }
}

/// Adds to a count; `None` if it would exceed the limit.
fn try_add(count: &AtomicUsize, amount: usize, limit: usize) -> Option<()> {
    let add = |count: usize| count.checked_add(amount).filter(|sum| *sum <= limit);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok().map(drop)
}

impl Admission {
    /// The number of open sockets.
    pub fn sockets(&self) -> usize {
        self.connections.sockets.load(Ordering::Relaxed)
    }

    /// The number of open subscriptions.
    pub fn subscriptions(&self) -> usize {
        self.connections.subscriptions.load(Ordering::Relaxed)
    }
}

/// Counts a socket as open until it is dropped.
pub struct SocketPermit {
    admission: Arc<Admission>,
    user: Arc<UserPermits>,
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        self.user.connections.sockets.fetch_sub(1, Ordering::Relaxed);
        self.admission.connections.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a subscription as open until it is dropped.
pub struct SubscriptionPermit {
    admission: Arc<Admission>,
    user: Arc<UserPermits>,
    bytes: usize,
}

impl SubscriptionPermit {
    /// Waits until this many bytes may be prepared for sending to the user, like [`Admission::reserve`].
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        Reservation::acquire(&self.user, bytes).await
    }
}

impl Drop for SubscriptionPermit {
    fn drop(&mut self) {
        let user = &self.user.connections;
        user.subscriptions.fetch_sub(1, Ordering::Relaxed);
        user.subscription_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.admission.connections.subscriptions.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes that are being prepared for a user or wait to be sent. They count until it is dropped.
pub struct Reservation(Option<OwnedSemaphorePermit>);

impl Reservation {
    pub(super) async fn acquire(user: &UserPermits, bytes: usize) -> Self {
        // The semaphore is never closed.
        Self(user.connections.unsent.clone().acquire_many_owned(kib(bytes)).await.ok())
    }

    /// Releases the unused part once the size is known. Bytes beyond the reservation are not counted, so that a user
    /// whose responses are all larger than expected still receives them.
    pub fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.0 {
            let spare = permit.num_permits().saturating_sub(kib(bytes) as usize);
            drop(permit.split(spare));
        }
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, USER_UNSENT_KIB)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;
    use crate::admission::TrustedProxies;
    use crate::ports::SystemClock;

    fn admission() -> Arc<Admission> {
        let limits = Limits {
            user_rate: 1,
            agency_rate: 1,
            address_rate: 1,
            sockets: 3,
            user_sockets: 2,
            trusted_proxies: TrustedProxies::default(),
        };
        Admission::new(&limits, Arc::new(SystemClock::new()))
    }

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    #[test]
    fn sockets_are_limited_per_user_and_in_total() {
        let admission = admission();
        let held: Vec<_> = (0..3).map(|_| admission.open_socket(user(1))).collect();
        assert_eq!(held.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
        let other: Vec<_> = (0..2).map(|_| admission.open_socket(user(2))).collect();
        assert_eq!(other.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
        drop((held, other));
        assert_eq!(admission.sockets(), 0);
        assert!(admission.open_socket(user(1)).is_ok());
    }

    #[test]
    fn subscriptions_are_limited_by_number_and_by_bytes() {
        let admission = admission();
        let held: Vec<_> = (0..USER_SUBSCRIPTIONS).map(|_| admission.open_subscription(user(1), 8)).collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(admission.open_subscription(user(1), 8).is_err());
        assert!(admission.open_subscription(user(2), USER_SUBSCRIPTION_BYTES + 1).is_err());
        let large = admission.open_subscription(user(2), USER_SUBSCRIPTION_BYTES);
        assert!(large.is_ok() && admission.open_subscription(user(2), 1).is_err());
        drop((held, large));
        assert_eq!(admission.subscriptions(), 0);
        assert!(admission.open_subscription(user(2), USER_SUBSCRIPTION_BYTES).is_ok());
    }

    #[test]
    fn unsent_bytes_are_limited_per_user() {
        let admission = admission();
        let reserve = |number, bytes| admission.reserve(user(number), bytes).now_or_never();
        let mut all = reserve(1, usize::MAX).unwrap();
        assert!(reserve(1, 1).is_none(), "the user must read first");
        assert!(reserve(2, 1).is_some(), "another user does not wait");
        all.shrink(1024);
        assert!(reserve(1, (USER_UNSENT_KIB as usize - 1) * 1024).is_some());
    }
}
