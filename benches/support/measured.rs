//! Measurements of many operations.

use std::time::{Duration, Instant};

use super::process::cpu_time;
use super::stats::{median, percentile};

pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// CPU time of this process per operation, including the clients in it.
    pub(crate) cpu: Duration,
}

/// A running measurement.
pub(crate) struct Measurement {
    started: Instant,
    cpu: Duration,
}

impl Measurement {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu_time(std::process::id()), started: Instant::now() }
    }

    /// `each` holds the duration of each operation.
    pub(crate) fn finish(self, mut each: Vec<Duration>) -> Measured {
        let (took, cpu) = (self.started.elapsed(), cpu_time(std::process::id()) - self.cpu);
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

/// The median of one value over all rounds.
pub(crate) fn median_of(rounds: &[Measured], figure: fn(&Measured) -> f64) -> f64 {
    median(rounds.iter().map(figure).collect())
}

/// The median ratio of two values of the same round.
pub(crate) fn ratio(over: &[Measured], under: &[Measured], figure: fn(&Measured) -> f64) -> f64 {
    median(over.iter().zip(under).map(|(over, under)| figure(over) / figure(under)).collect())
}
