//! Requests per second, by the generic cell rate algorithm (the `governor` crate).

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as RateClock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::{Limited, Limits, Scope};
use crate::domain::{AgencyId, UserId};
use crate::ports::Clock;

/// The size of a burst: the number of requests that the rate allows in this time.
const BURST_SECONDS: u32 = 10;
/// The number of checks after which keys whose burst is fully restored are dropped.
const DROP_AFTER: u32 = 1_024;

/// The rate limiters of all users, agencies and addresses.
pub(super) struct Rates {
    users: Limiter<UserId>,
    agencies: Limiter<AgencyId>,
    addresses: Limiter<IpAddr>,
}

impl Rates {
    pub(super) fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        let clock = MonotonicClock(clock);
        Self {
            users: Limiter::new(limits.user_rate, &clock),
            agencies: Limiter::new(limits.agency_rate, &clock),
            addresses: Limiter::new(limits.address_rate, &clock),
        }
    }

    pub(super) fn user(&self, user: UserId) -> Result<(), Limited> {
        self.users.check(user, Scope::User)
    }

    pub(super) fn agency(&self, agency: AgencyId) -> Result<(), Limited> {
        self.agencies.check(agency, Scope::Agency)
    }

    /// The addresses of an IPv6 /64 network count together, because a client can use any of them.
    pub(super) fn address(&self, address: IpAddr) -> Result<(), Limited> {
        let key = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        };
        self.addresses.check(key, Scope::Address)
    }
}

#[derive(Clone)]
struct MonotonicClock(Arc<dyn Clock>);

impl RateClock for MonotonicClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

struct Limiter<K: Clone + Eq + Hash> {
    limiter: RateLimiter<K, DashMapStateStore<K>, MonotonicClock, NoOpMiddleware<Duration>>,
    clock: MonotonicClock,
    checked: AtomicU32,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(per_second: u32, clock: &MonotonicClock) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Self { limiter, clock: clock.clone(), checked: AtomicU32::new(0) }
    }

    fn check(&self, key: K, scope: Scope) -> Result<(), Limited> {
        if self.checked.fetch_add(1, Ordering::Relaxed) % DROP_AFTER == DROP_AFTER - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&key).map_err(|not_until| {
            let wait = not_until.earliest_possible().duration_since(self.clock.now());
            Limited { scope, retry_after: wait.into() }
        })
    }
}
