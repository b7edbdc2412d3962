//! Calls: each fetches TwiML, executes it second by second, and sends status callbacks.
//!
//! `run` is the life of one call, `interpret` executes the verbs that need no other party, `dial` calls other phones,
//! `twiml`, `grammar` and `xml` parse documents, and `script` says what the people on the line do. `carried` adds calls
//! without any webhook, and `twiml_bin` is a fallback document that the carrier serves.

mod api;
mod callbacks;
mod caller_id;
mod carried;
mod dial;
mod grammar;
mod interpret;
mod outbound;
mod record;
mod recordings_api;
mod run;
mod script;
mod store;
mod twiml;
mod twiml_bin;
mod xml;

pub(super) use api::router;
pub use carried::{CarriedCall, CarriedCallSids, FinalStatus};
pub use record::{CallRecord, FetchedDocument, LegRecord, TranscriptLine};
pub use script::{CallScript, CallerStep, PhoneScript};
pub(super) use store::CallStore;
pub use store::CallbackFault;

use std::sync::Arc;

use self::run::{Call, StatusCallbacks};
use self::script::Person;
use self::store::{Direction, Entry};
use self::twiml::Endpoint;
use super::carrier::{Carrier, UnknownNumber};
use super::webhook::Method;

/// The speed-up of a call with `fast`.
const FAST_FACTOR: u32 = 100;

impl Carrier {
    /// Calls a number from a phone and returns the record of the ended call.
    pub(super) async fn call(self: &Arc<Self>, script: CallScript) -> Result<CallRecord, UnknownNumber> {
        let account = self.settings.account_of(&script.to).ok_or(UnknownNumber)?.clone();
        let entry =
            Entry { status: "ringing", ..Entry::new(self, &account, &script.from, &script.to, Direction::Inbound) };
        let endpoint = Endpoint { address: self.settings.voice_status_url.clone(), method: Method::Post };
        let callbacks = StatusCallbacks { endpoint, events: vec!["completed".to_owned()] };
        let person = Person::caller(&script);
        let mut call = Call::new(self.clone(), account, entry, "caller".to_owned(), person, callbacks);
        call.legs = script.legs.unwrap_or(call.legs);
        call.fallback = Some(self.voice_fallback_url());
        if script.fast {
            call.second /= FAST_FACTOR;
        }
        call.run(&self.settings.voice_url, Method::Post).await;
        Ok(call.finish().await)
    }
}
