//! A carrier to try Partyline with: its own HTTP server, reached only over HTTP, like Twilio.
//!
//! It has Twilio's Messages API ([`api`]), people at phones ([`carrier`]), calls that follow TwiML
//! ([`calls`]), signed webhooks with repeats ([`webhook`]), faults on demand ([`faults`]) and routes
//! of its own to play with it ([`control`]). It shares no code with the server that it talks to.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::ports::{Clock, IdGen};

mod api;
mod api_faults;
mod calls;
mod carrier;
mod connection;
mod control;
mod faults;
mod ledger;
mod opt_out;
mod services;
mod settings;
mod webhook;

pub use api_faults::{ApiFaults, CallRefusal, Listing, RecordingFault};
pub use calls::{CallRecord, CallScript, CallbackFault, CallerStep, Document, LegRecord, Line, PhoneScript};
use carrier::Carrier;
pub use carrier::NoSuchNumber;
pub use faults::{Fault, Match};
pub use ledger::{PhoneDirection, PhoneText, SentText, Status};
pub use services::{Inbound, MessagingService};
pub use settings::{Account, ApiKey, Deliver, Legs, Pace, SimulatorSettings};

/// A carrier that serves until the last handle of it is gone.
#[derive(Clone)]
pub struct Simulator {
    carrier: Arc<Carrier>,
    _serving: Arc<Serving>,
}

struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Simulator {
    /// Begins to serve at this listener.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up, or the listener has no address.
    pub fn start(
        listener: TcpListener,
        settings: SimulatorSettings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGen>,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let carrier = Arc::new(Carrier::new(settings, format!("http://{address}"), clock, ids)?);
        let router = Router::new()
            .merge(api::router())
            .merge(calls::router())
            .merge(control::router())
            .merge(services::router())
            .with_state(carrier.clone());
        let serving = tokio::spawn(connection::serve(listener, router));
        Ok(Self { carrier, _serving: Arc::new(Serving(serving)) })
    }

    /// What `TWILIO_API_BASE` is to be.
    pub fn base(&self) -> String {
        self.carrier.base.clone()
    }

    /// Every message that was accepted by the API, in order.
    pub fn ledger(&self) -> Vec<SentText> {
        self.carrier.accepted()
    }

    /// What a phone sent and received, in order.
    pub fn phone(&self, phone: &str) -> Vec<PhoneText> {
        self.carrier.phone(phone)
    }

    /// Lets something go wrong with messages to come. Beyond ten thousand such orders, nothing more.
    pub fn set_fault(&self, fault: Fault, which: Match) {
        // Nobody orders so many.
        let _ = self.carrier.order(fault, which);
    }

    /// Lets so many of a hundred messages meet a random fault; 0 ends it.
    pub fn set_random_faults(&self, seed: u64, percent: u8) {
        self.carrier.randomly(seed, percent);
    }

    /// Replaces the faults of the API; the default ends all of them.
    pub fn set_api_faults(&self, faults: ApiFaults) {
        self.carrier.set_api_faults(faults);
    }

    /// Promotes an account's secondary token: it opens the API and signs webhooks, and the first is not accepted any
    /// more.
    pub fn promote_token(&self, account: &str, token: impl Into<SecretString>) {
        if let Some(account) = self.carrier.account(account) {
            account.promote(token.into());
        }
    }

    /// Suspends an account, or ends that: while it lasts, every request is answered with 403 and 20005.
    pub fn suspend(&self, account: &str, suspended: bool) {
        if let Some(account) = self.carrier.account(account) {
            account.suspend(suspended);
        }
    }

    /// Sends webhooks that are meant for one origin to another.
    pub fn deliver_to(&self, deliver: Deliver) {
        self.carrier.deliver_to(deliver);
    }

    /// Somebody texts a number; gives the webhook's last answer, `None` if there was none.
    ///
    /// # Errors
    /// When no account has the number.
    pub async fn text(&self, from: &str, to: &str, body: &str) -> Result<Option<StatusCode>, NoSuchNumber> {
        self.carrier.text(from, to, body).await.map(|(_, status)| status)
    }

    /// Somebody calls a number. Gives what there is to tell when the call is over and everything has been reported.
    ///
    /// # Errors
    /// When no account has the number.
    pub async fn call(&self, script: CallScript) -> Result<CallRecord, NoSuchNumber> {
        self.carrier.call(script).await
    }

    /// What a phone does from now on when it is called. Until then nobody answers it.
    pub fn set_phone(&self, number: impl Into<String>, script: PhoneScript) {
        self.carrier.calls.set_phone(number.into(), script);
    }

    /// What goes wrong with the status callbacks of calls from now on; `None` ends it.
    pub fn set_callback_fault(&self, fault: impl Into<Option<CallbackFault>>) {
        self.carrier.calls.set_fault(fault.into());
    }

    /// A call that is over, by its SID: also one that the API has made.
    pub fn call_record(&self, sid: &str) -> Option<CallRecord> {
        self.carrier.calls.record(sid)
    }
}
