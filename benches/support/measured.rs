//! What a measurement of many operations found.

use std::time::{Duration, Instant};

use super::figures::{median, percentile};
use super::process::cpu_time;

pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Processor time of this process per operation, the clients' share included.
    pub(crate) cpu: Duration,
}

/// A measurement that has begun.
pub(crate) struct Begun {
    at: Instant,
    cpu: Duration,
}

impl Begun {
    pub(crate) fn now() -> Self {
        Self { cpu: cpu_time(std::process::id()), at: Instant::now() }
    }

    /// Sums up, from the time that each operation took.
    pub(crate) fn end(self, mut each: Vec<Duration>) -> Measured {
        let (took, cpu) = (self.at.elapsed(), cpu_time(std::process::id()) - self.cpu);
        each.sort();
        let count = u32::try_from(each.len()).unwrap();
        Measured {
            per_second: f64::from(count) / took.as_secs_f64(),
            p50: percentile(&each, 0.5),
            p99: percentile(&each, 0.99),
            cpu: cpu / count,
        }
    }
}

/// The median of one figure over the rounds.
pub(crate) fn typical(rounds: &[Measured], figure: fn(&Measured) -> f64) -> f64 {
    median(rounds.iter().map(figure).collect())
}

/// The median of what two figures of the same round have to each other.
pub(crate) fn ratio(over: &[Measured], under: &[Measured], figure: fn(&Measured) -> f64) -> f64 {
    median(over.iter().zip(under).map(|(over, under)| figure(over) / figure(under)).collect())
}
