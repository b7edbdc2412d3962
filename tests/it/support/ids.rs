//! Deterministic identifiers, the same in every run of a test.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use partyline::ports::IdGen;
use uuid::Uuid;

/// A counter. The seed fills the last bytes, so that two generators never produce the same id.
#[derive(Debug)]
pub(crate) struct SeededIds {
    seed: u32,
    next: AtomicU64,
    nonces: AtomicU64,
    panics_on_nonce: AtomicBool,
    clash: Mutex<Option<Clash>>,
}

#[derive(Debug)]
struct Clash {
    /// The number of regular ids that precede the repeated one.
    after: u32,
    id: Uuid,
}

impl SeededIds {
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            seed,
            next: AtomicU64::new(1),
            nonces: AtomicU64::new(1),
            panics_on_nonce: AtomicBool::new(false),
            clash: Mutex::new(None),
        }
    }

    /// Makes the generator return `id` again after `after` more regular ids.
    pub(crate) fn repeat(&self, id: Uuid, after: u32) {
        *self.clash.lock().unwrap() = Some(Clash { after, id });
    }

    /// True until the id passed to `repeat` has been returned.
    pub(crate) fn is_repeat_due(&self) -> bool {
        self.clash.lock().unwrap().is_some()
    }

    /// Makes the next call of `nonce` panic.
    pub(crate) fn panic_on_nonce(&self) {
        self.panics_on_nonce.store(true, Ordering::SeqCst);
    }

    fn repeated(&self) -> Option<Uuid> {
        let mut clash = self.clash.lock().unwrap();
        match clash.as_mut() {
            Some(clash) if clash.after > 0 => {
                clash.after -= 1;
                None
            }
            _ => clash.take().map(|clash| clash.id),
        }
    }
}

impl IdGen for SeededIds {
    fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        if let Some(id) = self.repeated() {
            return id;
        }
        let millis = u128::try_from(now.timestamp_millis()).expect("a time after 1970");
        let count = u128::from(self.next.fetch_add(1, Ordering::SeqCst));
        // 48 bits of time, version 7, 12 bits and then 30 bits of the count, the variant, 32 bits of the seed.
        let (high, low) = (count >> 30 & 0xfff, count & 0x3fff_ffff);
        Uuid::from_u128(millis << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 32 | u128::from(self.seed))
    }

    fn nonce(&self) -> [u8; 24] {
        assert!(!self.panics_on_nonce.swap(false, Ordering::SeqCst), "a panic that the test injects");
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&self.nonces.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        nonce[8..12].copy_from_slice(&self.seed.to_be_bytes());
        nonce
    }
}

#[test]
fn ids_sort_in_creation_order() {
    let ids = SeededIds::new(7);
    let now = DateTime::from_timestamp(super::clock::ORIGIN, 0).unwrap();
    let made: Vec<Uuid> = (0..2000).map(|_| ids.uuid(now)).collect();
    assert!(made.is_sorted_by(|a, b| a < b));
    assert!(made.iter().all(|id| id.get_version_num() == 7));
    ids.repeat(made[3], 1);
    assert_ne!(ids.uuid(now), made[3]);
    assert_eq!(ids.uuid(now), made[3]);
    assert_ne!(ids.uuid(now), made[3]);
}
