//! Calls that the API makes: a phone rings, and whoever answers it follows the document.
//! Source: Twilio, "Call resource: create a call".

use std::sync::Arc;

use super::super::carrier::Carrier;
use super::super::settings::Account;
use super::super::webhook::Method;
use super::book::{Direction, Entry};
use super::run::{Call, Reports};
use super::script::Person;

/// A call as the API was asked to make it.
pub(super) struct Wanted {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) url: String,
    pub(super) method: Method,
    /// Seconds that it rings.
    pub(super) timeout: u32,
    pub(super) reports: Reports,
}

impl Carrier {
    /// Makes a call, which goes on by itself. Gives how it begins.
    pub(super) fn place(self: &Arc<Self>, account: &Account, wanted: Wanted) -> Entry {
        let entry = Entry::new(self, account, &wanted.from, &wanted.to, Direction::OutboundApi);
        let who = wanted.to.clone();
        let call = Call::new(self.clone(), account.clone(), entry.clone(), who, Person::nobody(), wanted.reports);
        tokio::spawn(ring(call, wanted.url, wanted.method, wanted.timeout));
        entry
    }
}

async fn ring(mut call: Call, url: String, method: Method, timeout: u32) {
    let phone = call.carrier.calls.phone(&call.entry.to).called(timeout);
    call.progress("initiated", "queued");
    if phone.rings {
        call.progress("ringing", "ringing");
        call.own_line("rings");
    }
    call.wait(phone.after).await;
    match phone.ends {
        _ if call.is_to_end() => call.unanswered("canceled"),
        Ok(person) => {
            call.person = person;
            call.own_line("answers");
            call.answer(call.at);
            call.follow(&url, method).await;
        }
        Err(status) => call.unanswered(status),
    }
    // It is kept in the book; nobody waits for it.
    let _ = call.finish().await;
}
