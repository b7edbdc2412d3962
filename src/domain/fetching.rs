//! When a file of the carrier is fetched again, and when it is given up.

use chrono::TimeDelta;

/// The delay after each failed attempt, in seconds. Twilio has a file a few seconds after it mentions it.
const RETRY_DELAYS: [i64; 9] = [2, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200];
/// The delay in seconds after an error that says nothing about the file. These attempts are not counted, so they
/// continue until the file can be fetched.
const UNCOUNTED_RETRY_DELAY: i64 = 300;

/// The number of attempts within a day.
pub const DAY: usize = RETRY_DELAYS.len() + 1;
/// The number of attempts within 22 minutes.
pub const FIRST_MINUTES: usize = 7;

/// A file in the media store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The hexadecimal SHA-256 of the content.
    pub digest: String,
    pub content_type: String,
    pub byte_size: i32,
    pub file_name: Option<String>,
}

/// The outcome of one attempt to fetch a file. `F` is the reason of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOutcome<F> {
    Stored(StoredFile),
    /// The file cannot be fetched now. It is given up after this number of attempts.
    Unavailable {
        failure: F,
        max_attempts: usize,
    },
    /// The file cannot be stored, now or later.
    Unusable(F),
    /// The request or the storage failed for a reason that does not concern the file and may pass.
    RetryLater,
}

/// The step that follows an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchStep<F> {
    Complete(StoredFile),
    GiveUp(F),
    Retry { attempts: i32, delay: TimeDelta },
}

/// The step after an attempt to fetch a file that had `attempts` failed ones before.
pub fn next_step<F: Copy>(outcome: &FetchOutcome<F>, attempts: i32) -> FetchStep<F> {
    match outcome {
        FetchOutcome::Stored(file) => FetchStep::Complete(file.clone()),
        FetchOutcome::Unusable(failure) => FetchStep::GiveUp(*failure),
        FetchOutcome::RetryLater => FetchStep::Retry { attempts, delay: TimeDelta::seconds(UNCOUNTED_RETRY_DELAY) },
        FetchOutcome::Unavailable { failure, max_attempts } => {
            let failed = usize::try_from(attempts).unwrap_or(0);
            let delay = RETRY_DELAYS.get(failed).filter(|_| failed + 1 < *max_attempts);
            delay.map_or(FetchStep::GiveUp(*failure), |delay| FetchStep::Retry {
                attempts: attempts + 1,
                delay: TimeDelta::seconds(*delay),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(attempts: i32, seconds: i64) -> FetchStep<char> {
        FetchStep::Retry { attempts, delay: TimeDelta::seconds(seconds) }
    }

    #[test]
    fn only_attempts_that_concern_the_file_are_counted() {
        let unavailable = |max_attempts| FetchOutcome::Unavailable { failure: 'x', max_attempts };
        let file =
            StoredFile { digest: String::new(), content_type: "image/png".to_owned(), byte_size: 1, file_name: None };
        for (outcome, attempts, expected) in [
            (unavailable(DAY), 0, retry(1, 2)),
            (unavailable(DAY), 1, retry(2, 5)),
            (unavailable(DAY), 8, retry(9, 43_200)),
            (unavailable(DAY), 9, FetchStep::GiveUp('x')),
            (unavailable(DAY), 1_000, FetchStep::GiveUp('x')),
            (unavailable(FIRST_MINUTES), 5, retry(6, 900)),
            (unavailable(FIRST_MINUTES), 6, FetchStep::GiveUp('x')),
            (FetchOutcome::RetryLater, 0, retry(0, 300)),
            (FetchOutcome::RetryLater, 9, retry(9, 300)),
            (FetchOutcome::Unusable('y'), 0, FetchStep::GiveUp('y')),
            (FetchOutcome::Stored(file.clone()), 9, FetchStep::Complete(file)),
        ] {
            assert_eq!(next_step(&outcome, attempts), expected, "{outcome:?} after {attempts}");
        }
    }

    #[test]
    fn attempts_end_when_their_names_say() {
        let until = |attempts: usize| RETRY_DELAYS.iter().take(attempts - 1).sum::<i64>();
        assert!(until(DAY) < 24 * 3_600 && until(FIRST_MINUTES) < 22 * 60);
    }
}
