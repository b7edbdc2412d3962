//! Callers who try one extension after the other, call after call, are sent to the main line.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::AgencyId;

/// More wrong extensions than this within [`WINDOW`] are guesses.
const MOST: u32 = 6;
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// More callers than guess within an hour; beyond it the oldest are forgotten.
const CALLERS: usize = 10_000;

/// Wrong extensions by caller. Each instance counts for itself.
#[derive(Debug, Default)]
pub struct Guesses(Mutex<HashMap<(AgencyId, String), (Duration, u32)>>);

impl Guesses {
    /// Counts a wrong extension.
    pub fn count(&self, agency: AgencyId, from: &str, now: Duration) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= CALLERS {
            counted.retain(|_, (began, _)| now.saturating_sub(*began) < WINDOW);
        }
        if counted.len() >= CALLERS {
            counted.clear();
        }
        let entry = counted.entry((agency, from.to_owned())).or_insert((now, 0));
        if now.saturating_sub(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    /// Whether this caller has dialled too many.
    pub fn are_too_many(&self, agency: AgencyId, from: &str, now: Duration) -> bool {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = counted.get(&(agency, from.to_owned()));
        entry.is_some_and(|(began, count)| now.saturating_sub(*began) < WINDOW && *count >= MOST)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_hour_of_guessing() {
        let guesses = Guesses::default();
        let (agency, minute) = (AgencyId(Uuid::nil()), Duration::from_secs(60));
        for n in 0..MOST {
            assert!(!guesses.are_too_many(agency, "a", minute * n));
            guesses.count(agency, "a", minute * n);
        }
        assert!(guesses.are_too_many(agency, "a", minute * 10));
        assert!(!guesses.are_too_many(agency, "b", minute * 10));
        assert!(!guesses.are_too_many(agency, "a", minute * 60));
        guesses.count(agency, "a", minute * 61);
        assert!(!guesses.are_too_many(agency, "a", minute * 61));
    }
}
