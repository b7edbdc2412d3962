//! Identifiers and randomness.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// Makes identifiers.
pub trait IdGen: Send + Sync + Debug {
    /// A UUID of version 7 (RFC 9562): later ones of one generator sort after earlier ones, also
    /// within a millisecond, so that messages stored together keep their order.
    fn uuid(&self, now: DateTime<Utc>) -> Uuid;

    /// 24 bytes that nobody can guess and that never come twice.
    fn nonce(&self) -> [u8; 24];
}

/// The machine's generator.
#[derive(Debug)]
pub struct SystemIdGen {
    context: std::sync::Mutex<ContextV7>,
}

impl SystemIdGen {
    /// A new generator; one per process is enough.
    #[expect(clippy::new_without_default, reason = "a generator has a state of its own; two are not alike")]
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

    #[expect(clippy::expect_used, reason = "a machine without randomness must not go on")]
    fn nonce(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).expect("the operating system gives no randomness");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_sort_in_the_order_they_were_made() {
        let ids = SystemIdGen::new();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let made: Vec<Uuid> = (0..1000).map(|_| ids.uuid(now)).collect();
        assert!(made.is_sorted());
    }
}
