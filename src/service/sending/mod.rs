//! Sends texts from the outbox to the carrier. A text is never sent twice and never dropped silently.
//!
//! An attempt is committed before the request to the carrier (`begin_attempt.rs`), so that after a crash it is known
//! that the carrier may have the text. The result of the request is committed afterwards (`send_attempt.rs`). A text
//! whose result is unknown is looked up at the carrier; if that does not resolve it, a user decides
//! (`resolve_unknown.rs`).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::domain::{AgencyId, PhoneNumberId};
use crate::ports::twilio_rest::TwilioRest;

mod begin_attempt;
mod resolve_unknown;
mod send_attempt;

pub use begin_attempt::{NextStep, SendAttempt, begin_next_attempt};
pub use resolve_unknown::{mark_interrupted_attempts, resolve_unknown_texts};
pub(super) use send_attempt::mark_in_doubt;
pub use send_attempt::send_attempt;

/// The dependencies and the state of sending.
pub struct Sending {
    pub twilio: TwilioRest,
    /// The URL of the webhook for delivery receipts, without a query.
    pub receipts_url: String,
    /// How long the result of an attempt may stay unknown before a user has to decide.
    pub unknown_after: Duration,
    pub outbox_signal: OutboxSignal,
}

/// Wakes the sender after a commit that added texts to the outbox. Pending numbers form a set, so it cannot grow
/// without limit.
pub struct OutboxSignal {
    pending: Mutex<BTreeSet<(AgencyId, PhoneNumberId)>>,
    notify: Notify,
    stopped: watch::Sender<bool>,
}

impl Default for OutboxSignal {
    fn default() -> Self {
        Self { pending: Mutex::default(), notify: Notify::new(), stopped: watch::Sender::new(false) }
    }
}

impl OutboxSignal {
    /// Records that these numbers have texts to send, and wakes the sender.
    pub fn notify(&self, agency: AgencyId, numbers: &[PhoneNumberId]) {
        if numbers.is_empty() {
            return;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.extend(numbers.iter().map(|number| (agency, *number)));
        self.notify.notify_one();
    }

    /// Stops new attempts. Attempts in progress are completed.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits until [`stop`](Self::stop) is called.
    pub async fn stopped(&self) {
        // `self` owns the sender, so the channel is not closed while this waits.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Waits until there are numbers with texts to send, and takes them.
    pub async fn notified(&self) -> BTreeSet<(AgencyId, PhoneNumberId)> {
        loop {
            let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
            if !pending.is_empty() {
                return pending;
            }
            self.notify.notified().await;
        }
    }
}
