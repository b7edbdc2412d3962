//! Figures: medians, percentiles, verdicts, and sizes from the environment.

use std::time::Duration;

/// A size that the environment may change.
pub(crate) fn from_env(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The middle one. Rounds are summed up by it, since machines are noisy.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that `share` of the (sorted) values do not exceed.
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

/// Prints what a bar asks for and what was measured. A bar that is missed is a figure, not a failure.
pub(crate) fn verdict(bar: &str, measured: &str, ok: bool) {
    println!("bar {bar}: measured {measured} {}", if ok { "ok" } else { "MISSED" });
}
