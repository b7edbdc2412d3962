//! From the outbox to the carrier: a text is never sent twice, and never silently not sent.
//!
//! An attempt is committed before the request leaves ([`depart`]), so that after a crash it is known
//! that the text may have arrived. What the request showed is committed after it ([`arrive`]). What
//! stays in doubt is looked for at the carrier, and in the end put before a person ([`look_for`]).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::domain::{AgencyId, PhoneNumberId};
use crate::ports::twilio_rest::TwilioRest;

mod arrive;
mod depart;
mod look_for;

pub use arrive::arrive;
pub(super) use arrive::doubt;
pub use depart::{Departure, Next, next};
pub use look_for::{cut_off_attempts, look_for_doubtful};

/// What sending works with.
pub struct Sending {
    /// The carrier.
    pub twilio: TwilioRest,
    /// Where receipts go: the address of the webhook, without a query.
    pub receipts_url: String,
    /// How long a text may be in doubt before a person is asked.
    pub unknown_after: Duration,
    /// Numbers that have something to send.
    pub bell: Bell,
}

/// Rung after a commit that put texts into the outbox. It keeps each number once, so nothing grows.
pub struct Bell {
    rung: Mutex<BTreeSet<(AgencyId, PhoneNumberId)>>,
    notify: Notify,
    stopped: watch::Sender<bool>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { rung: Mutex::default(), notify: Notify::new(), stopped: watch::Sender::new(false) }
    }
}

impl Bell {
    /// These numbers of an agency have something to send.
    pub fn ring(&self, agency: AgencyId, numbers: &[PhoneNumberId]) {
        if numbers.is_empty() {
            return;
        }
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.extend(numbers.iter().map(|number| (agency, *number)));
        self.notify.notify_one();
    }

    /// No more texts are to be taken up; those that are being sent are finished.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether no more are to be taken up.
    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits until no more are to be taken up.
    pub async fn stopped(&self) {
        // The sender is this bell's own, so the wait ends with the word.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Waits until it has been rung, and gives the numbers.
    pub async fn heard(&self) -> BTreeSet<(AgencyId, PhoneNumberId)> {
        loop {
            let rung = std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner));
            if !rung.is_empty() {
                return rung;
            }
            self.notify.notified().await;
        }
    }
}
