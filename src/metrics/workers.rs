//! The status of the background tasks, shown at `/readyz` and `/metrics`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// All background tasks of this process.
#[derive(Debug, Default)]
pub struct WorkerRegistry(Mutex<Vec<Arc<WorkerStatus>>>);

/// One background task.
#[derive(Debug)]
pub struct WorkerStatus {
    /// The label in metrics.
    pub name: &'static str,
    pub description: &'static str,
    /// The pause between two runs; `None` if the task waits for work instead.
    pub period: Option<Duration>,
    history: Mutex<WorkerHistory>,
}

/// The runs of a background task since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct WorkerHistory {
    pub runs: u64,
    pub failures: u64,
    pub panics: u64,
    pub last_run_at: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    /// The time and the text of the last error. The text is safe to show.
    pub last_error: Option<(DateTime<Utc>, String)>,
}

impl WorkerRegistry {
    pub fn register(
        &self,
        name: &'static str,
        description: &'static str,
        period: Option<Duration>,
    ) -> Arc<WorkerStatus> {
        let status = Arc::new(WorkerStatus { name, description, period, history: Mutex::default() });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&status));
        status
    }

    pub fn all(&self) -> Vec<Arc<WorkerStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl WorkerStatus {
    pub fn history(&self) -> WorkerHistory {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn succeeded(&self, now: DateTime<Utc>) {
        self.record(now, |history| history.last_success_at = Some(now));
    }

    pub fn failed(&self, error: String, now: DateTime<Utc>) {
        self.record(now, |history| {
            history.failures += 1;
            history.last_error = Some((now, error));
        });
    }

    pub fn panicked(&self, now: DateTime<Utc>) {
        self.record(now, |history| {
            history.panics += 1;
            history.last_error = Some((now, "panicked".to_owned()));
        });
    }

    fn record(&self, now: DateTime<Utc>, change: impl FnOnce(&mut WorkerHistory)) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.runs += 1;
        history.last_run_at = Some(now);
        change(&mut history);
    }
}

/// One line for an operator.
impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerHistory { last_success_at, last_error, .. } = self.history();
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let success = last_success_at.map_or_else(|| "none".to_owned(), time);
        write!(f, "{} ({})", self.name, self.description)?;
        if let Some(period) = self.period {
            write!(f, ", every {} s", period.as_secs())?;
        }
        write!(f, ", last success: {success}")?;
        match last_error {
            Some((at, error)) => write!(f, ", last error: {} {error}", time(at)),
            None => f.write_str(", last error: none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_status_shows_the_last_success_and_the_last_error() {
        let registry = WorkerRegistry::default();
        let status = registry.register("escalation", "notifies pools", Some(Duration::from_secs(5)));
        let idle = "escalation (notifies pools), every 5 s, last success: none, last error: none";
        assert_eq!(status.to_string(), idle);
        let now = DateTime::UNIX_EPOCH;
        status.succeeded(now);
        status.failed("the database failed".to_owned(), now + TimeDelta::seconds(5));
        status.panicked(now + TimeDelta::seconds(10));
        let WorkerHistory { runs, failures, panics, .. } = registry.all()[0].history();
        assert_eq!((runs, failures, panics), (3, 1, 1));
        assert_eq!(
            status.to_string(),
            "escalation (notifies pools), every 5 s, last success: 1970-01-01T00:00:00Z, \
             last error: 1970-01-01T00:00:10Z panicked"
        );
        let without_period = registry.register("call_log", "writes the steps of calls", None);
        let idle = "call_log (writes the steps of calls), last success: none, last error: none";
        assert_eq!(without_period.to_string(), idle);
    }
}
