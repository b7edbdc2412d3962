//! Identifiers and randomness.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// A source of identifiers and randomness that tests can replace.
pub trait IdGen: Send + Sync + Debug {
    /// A version 7 UUID (RFC 9562). The UUIDs of one generator sort in the order of creation, also within a
    /// millisecond, so that messages that are stored together keep their order.
    fn uuid(&self, now: DateTime<Utc>) -> Uuid;

    /// 24 random bytes, unpredictable and unique.
    fn nonce(&self) -> [u8; 24];
}

/// The generator for production. Ids come from a generator in memory that the operating system seeds, because a text
/// needs ten of them; nonces come from the operating system.
#[derive(Debug)]
pub struct SystemIdGen {
    context: std::sync::Mutex<ContextV7>,
}

impl SystemIdGen {
    /// A new generator. One per process is enough.
    #[expect(clippy::new_without_default, reason = "each generator has its own state, so it is not a default value")]
    pub fn new() -> Self {
        Self { context: std::sync::Mutex::new(ContextV7::new()) }
    }
}

impl IdGen for SystemIdGen {
    fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let context = self.context.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*context, seconds, now.timestamp_subsec_nanos()))
    }

    #[expect(clippy::expect_used, reason = "the server must not run without randomness")]
    fn nonce(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).expect("the operating system provides randomness");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_same_time_sort_in_the_order_of_creation() {
        let ids = SystemIdGen::new();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let made: Vec<Uuid> = (0..1000).map(|_| ids.uuid(now)).collect();
        assert!(made.is_sorted());
    }
}
