//! Calls: they ask for TwiML, follow it, and report how they went.

mod book;
mod record;
mod script;

pub(super) use book::CallBook;
pub use book::CallbackFault;
pub use record::{CallRecord, Document, LegRecord, Line};
pub use script::{CallScript, CallerStep, PhoneScript};

use std::sync::Arc;

use super::carrier::{Carrier, NoSuchNumber};

impl Carrier {
    /// Somebody at a phone calls a number.
    pub(super) async fn call(self: &Arc<Self>, script: CallScript) -> Result<CallRecord, NoSuchNumber> {
        self.settings.account_of(&script.to).ok_or(NoSuchNumber)?;
        Err(NoSuchNumber)
    }
}
