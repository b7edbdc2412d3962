//! Refusals of use cases.

use std::fmt::Debug;

use partyline::service::{Error, Outcome, Refusal};

/// The refusal of a use case that must be refused.
#[track_caller]
pub(crate) fn refusal<T: Debug>(outcome: Outcome<T>) -> Refusal {
    match outcome {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
