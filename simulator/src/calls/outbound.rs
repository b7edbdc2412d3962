//! Calls made through the API: a phone rings, and the person who answers hears the document.
//! Source: Twilio, "Call resource: create a call".

use std::sync::Arc;

use super::super::carrier::Carrier;
use super::super::settings::Account;
use super::super::webhook::Method;
use super::run::{Call, StatusCallbacks};
use super::script::Person;
use super::store::{Direction, Entry};

/// A request to make a call.
pub(super) struct CallRequest {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) url: String,
    pub(super) method: Method,
    /// The longest time that the phone rings, in seconds.
    pub(super) timeout: u32,
    pub(super) callbacks: StatusCallbacks,
}

impl Carrier {
    /// Starts a call in a task of its own and returns its initial state.
    pub(super) fn place_call(self: &Arc<Self>, account: &Account, request: CallRequest) -> Entry {
        let entry = Entry::new(self, account, &request.from, &request.to, Direction::OutboundApi);
        let who = request.to.clone();
        let call = Call::new(self.clone(), account.clone(), entry.clone(), who, Person::listener(), request.callbacks);
        tokio::spawn(ring(call, request.url, request.method, request.timeout));
        entry
    }
}

async fn ring(mut call: Call, url: String, method: Method, timeout: u32) {
    let phone = call.carrier.calls.phone_script(&call.entry.to).ring(timeout);
    call.set_status("initiated", "queued");
    if phone.rings {
        call.set_status("ringing", "ringing");
        call.add_own_line("rings");
    }
    call.wait(phone.after).await;
    match phone.outcome {
        _ if call.is_end_requested() => call.end_unanswered("canceled"),
        Ok(person) => {
            call.person = person;
            call.add_own_line("answers");
            call.answer(call.at);
            call.run(&url, method).await;
        }
        Err(status) => call.end_unanswered(status),
    }
    // The store keeps the record; no caller waits for it.
    let _ = call.finish().await;
}
