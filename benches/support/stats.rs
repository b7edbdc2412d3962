//! Medians, percentiles, targets, and sizes from the environment.

use std::time::Duration;

/// A size from the environment variable `name`.
pub(crate) fn from_env(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Rounds are summarized by the median, because machines are noisy.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `sorted` must be in ascending order; `share` is between 0 and 1.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share) as usize;
    sorted.get(rank.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Prints a target and the measured value. A missed target does not fail the benchmark.
pub(crate) fn print_target(target: &str, measured: &str, ok: bool) {
    println!("target {target}: measured {measured} {}", if ok { "ok" } else { "MISSED" });
}
