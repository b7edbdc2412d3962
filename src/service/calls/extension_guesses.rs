//! Limits how many wrong extensions a caller can try across calls. Beyond the limit, the caller goes to the main line.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::AgencyId;

/// The number of wrong extensions within [`WINDOW`] that a caller may dial.
const MAX_WRONG: u32 = 6;
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// Bounds the memory. If more callers dial wrong extensions within [`WINDOW`], all counts start again.
const MAX_CALLERS: usize = 10_000;

/// Wrong extensions by caller, counted per instance.
#[derive(Debug, Default)]
pub struct ExtensionGuesses(Mutex<HashMap<(AgencyId, String), (Duration, u32)>>);

impl ExtensionGuesses {
    pub fn count(&self, agency: AgencyId, from: &str, now: Duration) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MAX_CALLERS {
            counted.retain(|_, (began, _)| now.saturating_sub(*began) < WINDOW);
        }
        if counted.len() >= MAX_CALLERS {
            counted.clear();
        }
        let entry = counted.entry((agency, from.to_owned())).or_insert((now, 0));
        if now.saturating_sub(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    pub fn is_limit_reached(&self, agency: AgencyId, from: &str, now: Duration) -> bool {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = counted.get(&(agency, from.to_owned()));
        entry.is_some_and(|(began, count)| now.saturating_sub(*began) < WINDOW && *count >= MAX_WRONG)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_limit_applies_for_an_hour() {
        let guesses = ExtensionGuesses::default();
        let (agency, minute) = (AgencyId(Uuid::nil()), Duration::from_secs(60));
        for n in 0..MAX_WRONG {
            assert!(!guesses.is_limit_reached(agency, "a", minute * n));
            guesses.count(agency, "a", minute * n);
        }
        assert!(guesses.is_limit_reached(agency, "a", minute * 10));
        assert!(!guesses.is_limit_reached(agency, "b", minute * 10));
        assert!(!guesses.is_limit_reached(agency, "a", minute * 60));
        guesses.count(agency, "a", minute * 61);
        assert!(!guesses.is_limit_reached(agency, "a", minute * 61));
    }
}
