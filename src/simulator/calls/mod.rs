//! Calls: they ask for TwiML, follow it, and report how they went.

mod api;
mod book;
mod callbacks;
mod caller_id;
mod dial;
mod grammar;
mod placed;
mod record;
mod run;
mod script;
mod twiml;
mod walk;
mod xml;

pub(super) use api::router;
pub(super) use book::CallBook;
pub use book::CallbackFault;
pub use record::{CallRecord, Document, LegRecord, Line};
pub use script::{CallScript, CallerStep, PhoneScript};

use std::sync::Arc;

use self::book::{Direction, Entry};
use self::run::{Call, Reports};
use self::script::Person;
use self::twiml::Request;
use super::carrier::{Carrier, NoSuchNumber};
use super::webhook::Method;

/// How many times faster a fast call is.
const FAST: u32 = 100;

impl Carrier {
    /// Somebody at a phone calls a number.
    pub(super) async fn call(self: &Arc<Self>, script: CallScript) -> Result<CallRecord, NoSuchNumber> {
        let account = self.settings.account_of(&script.to).ok_or(NoSuchNumber)?.clone();
        let entry =
            Entry { status: "ringing", ..Entry::new(self, &account, &script.from, &script.to, Direction::Inbound) };
        let to = Request { address: self.settings.voice_status_url.clone(), method: Method::Post };
        let reports = Reports { to, events: vec!["completed".to_owned()] };
        let person = Person::of(&script);
        let mut call = Call::new(self.clone(), account, entry, "caller".to_owned(), person, reports);
        call.legs = script.legs.unwrap_or(call.legs);
        call.fallback = Some(self.settings.voice_fallback_url().to_owned());
        if script.fast {
            call.second /= FAST;
        }
        call.follow(&self.settings.voice_url, Method::Post).await;
        Ok(call.finish().await)
    }
}
