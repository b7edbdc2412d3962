//! Faults of single messages: injected on demand or at random.

use std::collections::VecDeque;

use serde::Deserialize;

/// Bounds the memory of a long-running simulator. Further faults are rejected.
const MAX_PENDING: usize = 10_000;

/// A fault of one message. In JSON: `{"fault": "slow", "seconds": 3}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "camelCase")]
pub enum Fault {
    /// The message is accepted, and the connection is closed without a response.
    DropAfterAccepting,
    /// The message is not accepted, and the connection is closed without a response.
    DropBeforeAccepting,
    /// The message is accepted, and the response has status 500.
    ErrorAfterAccepting,
    /// The message is not accepted, and the response has status 500.
    ErrorBeforeAccepting,
    /// The message is not accepted, and the response has status 429.
    TooManyRequests {
        /// The value of `Retry-After` in seconds. Default: 1.
        #[serde(default = "one")]
        seconds: u32,
    },
    /// The message is accepted, and the response is delayed.
    Slow {
        /// The delay in seconds. Default: 1.
        #[serde(default = "one")]
        seconds: u32,
    },
    /// The message is rejected with status 400.
    Reject {
        /// Twilio's error code.
        code: u32,
    },
    /// The message is rejected with the given status.
    RejectWith {
        status: u16,
        /// Twilio's error code.
        code: u32,
        /// The value of `Retry-After` in seconds. Without it, the header is missing.
        #[serde(default)]
        seconds: Option<u32>,
    },
    /// The message is rejected with error 21609 if it has a status callback, as Twilio does if the URL is unusable.
    CallbackUnusable,
    /// The message ends as `undelivered`.
    Undelivered {
        /// Twilio's error code. Default: 30003 (unreachable handset).
        #[serde(default = "unreachable_handset")]
        code: u32,
    },
    /// The message ends as `failed`.
    Failed {
        /// Twilio's error code. Default: 30008 (unknown error).
        #[serde(default = "unknown_error")]
        code: u32,
    },
    /// No status callback is sent.
    CallbacksLost,
    /// Each status callback is sent twice.
    CallbacksDuplicated,
    /// The status callbacks are sent in reverse order.
    CallbacksReordered,
    /// The first status callback is sent before the API responds.
    CallbackFirst,
}

fn one() -> u32 {
    1
}

fn unreachable_handset() -> u32 {
    30003
}

fn unknown_error() -> u32 {
    30008
}

/// The faults from which a sender can recover: each leaves the message either accepted or safe to send again.
const RANDOM: [Fault; 10] = [
    Fault::DropAfterAccepting,
    Fault::DropBeforeAccepting,
    Fault::ErrorAfterAccepting,
    Fault::ErrorBeforeAccepting,
    Fault::TooManyRequests { seconds: 1 },
    Fault::Slow { seconds: 1 },
    Fault::CallbacksLost,
    Fault::CallbacksDuplicated,
    Fault::CallbacksReordered,
    Fault::CallbackFirst,
];

/// The messages that get a fault. Messages that the API rejects for another reason do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    to: Option<String>,
    times: u32,
}

impl Match {
    /// The next message.
    pub fn any() -> Self {
        Self { to: None, times: 1 }
    }

    /// The next message to this phone.
    pub fn to(phone: impl Into<String>) -> Self {
        Self { to: Some(phone.into()), times: 1 }
    }

    /// The next `times` messages instead of one.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// The maximum number of faults is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyFaults;

/// The pending faults and the source of random ones.
#[derive(Debug, Default)]
pub(super) struct FaultPlan {
    pending: VecDeque<(Fault, Match)>,
    random: Option<Random>,
}

impl FaultPlan {
    pub(super) fn add(&mut self, fault: Fault, which: Match) -> Result<(), TooManyFaults> {
        if self.pending.len() >= MAX_PENDING {
            return Err(TooManyFaults);
        }
        if which.times > 0 {
            self.pending.push_back((fault, which));
        }
        Ok(())
    }

    pub(super) fn set_random(&mut self, seed: u64, percent: u8) {
        self.random = (percent > 0).then_some(Random { state: seed, percent });
    }

    /// Takes the fault of the next message to this phone: the first pending fault that matches, or else a random one.
    pub(super) fn take(&mut self, to: &str) -> Option<Fault> {
        let matches = |(_, which): &(Fault, Match)| which.to.as_deref().is_none_or(|phone| phone == to);
        let Some(at) = self.pending.iter().position(matches) else { return self.random.as_mut()?.fault() };
        let (fault, which) = self.pending.get_mut(at)?;
        let fault = *fault;
        which.times -= 1;
        if which.times == 0 {
            self.pending.remove(at);
        }
        Some(fault)
    }
}

/// A generator that gives the same numbers for the same seed. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom
/// Number Generators" (SplitMix64).
#[derive(Debug)]
struct Random {
    state: u64,
    percent: u8,
}

impl Random {
    fn next_number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fault(&mut self) -> Option<Fault> {
        let (chance, which) = (self.next_number() % 100, self.next_number() % RANDOM.len() as u64);
        if chance >= u64::from(self.percent) {
            return None;
        }
        usize::try_from(which).ok().and_then(|which| RANDOM.get(which)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_apply_to_matching_messages_and_as_often_as_requested() {
        let mut plan = FaultPlan::default();
        plan.add(Fault::CallbacksLost, Match::to("+2").times(2)).unwrap();
        plan.add(Fault::CallbackFirst, Match::any()).unwrap();
        plan.add(Fault::DropAfterAccepting, Match::any().times(0)).unwrap();
        assert_eq!(plan.take("+2"), Some(Fault::CallbacksLost));
        assert_eq!(plan.take("+1"), Some(Fault::CallbackFirst));
        assert_eq!(plan.take("+1"), None);
        assert_eq!(plan.take("+2"), Some(Fault::CallbacksLost));
        assert_eq!(plan.take("+2"), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let faults = |seed: u64| {
            let mut plan = FaultPlan::default();
            plan.set_random(seed, 30);
            (0..1000).map(|_| plan.take("+1")).collect::<Vec<_>>()
        };
        assert_eq!(faults(1), faults(1));
        assert_ne!(faults(1), faults(2));
        let count = faults(1).iter().flatten().count();
        assert!((200..400).contains(&count), "{count}");
    }

    #[test]
    fn the_json_of_a_fault_contains_its_name_and_its_parameters() {
        let read = |json: &str| serde_json::from_str::<Fault>(json);
        assert_eq!(read(r#"{"fault":"slow","seconds":3}"#).unwrap(), Fault::Slow { seconds: 3 });
        assert_eq!(read(r#"{"fault":"undelivered"}"#).unwrap(), Fault::Undelivered { code: 30003 });
        assert_eq!(read(r#"{"fault":"callbackFirst"}"#).unwrap(), Fault::CallbackFirst);
        assert!(read(r#"{"fault":"flood"}"#).is_err());
    }
}
