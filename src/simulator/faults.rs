//! What can go wrong at a carrier: on demand, and at random.

use std::collections::VecDeque;

use serde::Deserialize;

/// More orders than anybody gives; further ones are refused.
const MOST_ORDERS: usize = 10_000;

/// What goes wrong with one message. In JSON: `{"fault": "slow", "seconds": 3}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "camelCase")]
pub enum Fault {
    /// It is accepted; the connection is closed without an answer.
    DropAfterAccepting,
    /// It is not accepted; the connection is closed without an answer.
    DropBeforeAccepting,
    /// It is accepted; the answer is 500.
    ErrorAfterAccepting,
    /// It is not accepted; the answer is 500.
    ErrorBeforeAccepting,
    /// It is not accepted; the answer is 429.
    TooManyRequests {
        /// What `Retry-After` says, in seconds.
        #[serde(default = "one")]
        seconds: u32,
    },
    /// It is accepted; the answer takes its time.
    Slow {
        /// How long, in seconds.
        #[serde(default = "one")]
        seconds: u32,
    },
    /// It is refused with 400.
    Reject {
        /// Twilio's code.
        code: u32,
    },
    /// It is refused with another status than 400.
    RejectWith {
        /// The HTTP status.
        status: u16,
        /// Twilio's code.
        code: u32,
        /// What `Retry-After` says, in seconds; without it there is no such header.
        #[serde(default)]
        seconds: Option<u32>,
    },
    /// It is refused with 21609 if it names a status callback, as Twilio does with an address that it cannot use.
    CallbackUnusable,
    /// It is sent, and not taken.
    Undelivered {
        /// Twilio's code.
        #[serde(default = "unreachable_handset")]
        code: u32,
    },
    /// It is not even sent.
    Failed {
        /// Twilio's code.
        #[serde(default = "unknown_error")]
        code: u32,
    },
    /// No status is reported.
    CallbacksLost,
    /// Each status is reported twice.
    CallbacksDuplicated,
    /// The last status is reported first.
    CallbacksReordered,
    /// The first status is reported before the API has answered.
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

/// Those that a sender can get over: each leaves the message accepted once, or to be asked for again.
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

/// Which messages a fault is for. Messages that are refused anyway do not count.
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

    /// The next so many.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// There are too many orders already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// The faults that are to come.
#[derive(Debug, Default)]
pub(super) struct Plan {
    orders: VecDeque<(Fault, Match)>,
    random: Option<Random>,
}

impl Plan {
    pub(super) fn order(&mut self, fault: Fault, which: Match) -> Result<(), TooMany> {
        if self.orders.len() >= MOST_ORDERS {
            return Err(TooMany);
        }
        if which.times > 0 {
            self.orders.push_back((fault, which));
        }
        Ok(())
    }

    pub(super) fn randomly(&mut self, seed: u64, percent: u8) {
        self.random = (percent > 0).then_some(Random { state: seed, percent });
    }

    /// What goes wrong with a message to this phone: the first order that fits, else chance.
    pub(super) fn next(&mut self, to: &str) -> Option<Fault> {
        let fits = |(_, which): &(Fault, Match)| which.to.as_deref().is_none_or(|phone| phone == to);
        let Some(at) = self.orders.iter().position(fits) else { return self.random.as_mut()?.fault() };
        let (fault, which) = self.orders.get_mut(at)?;
        let fault = *fault;
        which.times -= 1;
        if which.times == 0 {
            self.orders.remove(at);
        }
        Some(fault)
    }
}

/// The same numbers for the same seed. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom
/// Number Generators" (SplitMix64).
#[derive(Debug)]
struct Random {
    state: u64,
    percent: u8,
}

impl Random {
    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fault(&mut self) -> Option<Fault> {
        let (chance, which) = (self.number() % 100, self.number() % RANDOM.len() as u64);
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
    fn orders_are_for_whom_they_are_for_and_as_often() {
        let mut plan = Plan::default();
        plan.order(Fault::CallbacksLost, Match::to("+2").times(2)).unwrap();
        plan.order(Fault::CallbackFirst, Match::any()).unwrap();
        plan.order(Fault::DropAfterAccepting, Match::any().times(0)).unwrap();
        assert_eq!(plan.next("+2"), Some(Fault::CallbacksLost));
        assert_eq!(plan.next("+1"), Some(Fault::CallbackFirst));
        assert_eq!(plan.next("+1"), None);
        assert_eq!(plan.next("+2"), Some(Fault::CallbacksLost));
        assert_eq!(plan.next("+2"), None);
    }

    #[test]
    fn chance_repeats_itself_with_the_seed() {
        let faults = |seed: u64| {
            let mut plan = Plan::default();
            plan.randomly(seed, 30);
            (0..1000).map(|_| plan.next("+1")).collect::<Vec<_>>()
        };
        assert_eq!(faults(1), faults(1));
        assert_ne!(faults(1), faults(2));
        let met = faults(1).iter().flatten().count();
        assert!((200..400).contains(&met), "{met}");
    }

    #[test]
    fn a_fault_has_its_parameters_beside_its_name() {
        let read = |json: &str| serde_json::from_str::<Fault>(json);
        assert_eq!(read(r#"{"fault":"slow","seconds":3}"#).unwrap(), Fault::Slow { seconds: 3 });
        assert_eq!(read(r#"{"fault":"undelivered"}"#).unwrap(), Fault::Undelivered { code: 30003 });
        assert_eq!(read(r#"{"fault":"callbackFirst"}"#).unwrap(), Fault::CallbackFirst);
        assert!(read(r#"{"fault":"flood"}"#).is_err());
    }
}
