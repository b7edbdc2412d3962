//! A simulator of Twilio for tests and demos.
//!
//! [`Simulator::start`] serves HTTP on a local address. Point a Twilio client at that address instead of
//! `https://api.twilio.com`: the simulator accepts the same REST requests, signs its webhooks with the account's auth
//! token, retries them as the URL's connection overrides say, and executes the TwiML that the application returns.
//! Simulated phones send and receive texts and make and answer calls. No Twilio account and no network are needed.
//!
//! - `api`, `message_list`, `media_api`, `calls::api`, `calls::recordings_api`, `services`: the parts of Twilio's REST
//!   API that are simulated (messages, media, calls, recordings, phone numbers and Messaging Services). `paging` filters
//!   lists by date and divides them into pages.
//! - `carrier`: delivers texts and reports their delivery status. `outbound_media`: fetches the media of a text that the
//!   application sends. `inbound`: texts from phones and their webhooks.
//! - `calls`: executes the TwiML of a call and records what each person on the line heard and did.
//! - `webhook`: signed requests to the application under test.
//! - `faults`, `api_faults`, `list_faults`, `media`: failures that a test can inject.
//! - `control`: routes under `/simulator` that Twilio does not have, for driving the simulator from another process.
//!   They require no authentication, so listen on a loopback address only.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use partyline_simulator::{Account, Simulator, SimulatorSettings, SystemClock};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let account = Account::new("AC00000000000000000000000000000001", "an auth token");
//! let settings = SimulatorSettings::new(vec![account], "http://127.0.0.1:3000/sms".to_owned());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let twilio = Simulator::start(listener, settings, Arc::new(SystemClock::new()))?;
//! // Configure the application with `twilio.base()` as the address of Twilio's API, then send it a text:
//! let status = twilio.text("+13035560001", "+13035550100", "Hello").await?;
//! assert!(status.is_some_and(|status| status.is_success()));
//! # Ok(())
//! # }
//! ```
//!
//! [`Simulator::carry_text`] and [`Simulator::carry_call`] add texts and calls for which no webhook is sent, as if the
//! application had been unreachable. The application finds them only through the API's lists.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod api;
mod api_faults;
mod calls;
mod carrier;
mod clock;
mod connection;
mod control;
mod faults;
mod inbound;
mod ledger;
mod list_faults;
mod media;
mod media_api;
mod message_list;
mod opt_out;
mod outbound_media;
mod paging;
mod services;
mod settings;
mod webhook;

pub use api_faults::{ApiFaults, CallRefusal, Listing, RecordingFault};
pub use calls::{
    CallRecord, CallScript, CallbackFault, CallerStep, CarriedCall, CarriedCallSids, FetchedDocument, FinalStatus,
    LegRecord, PhoneScript, TranscriptLine,
};
use carrier::Carrier;
pub use carrier::UnknownNumber;
pub use clock::{Clock, SystemClock};
pub use faults::{Fault, Match};
pub use inbound::{InboundError, InboundText, ReceivedText};
pub use ledger::{MessageStatus, PhoneDirection, PhoneText, SentText};
pub use list_faults::{List, ListFault};
pub use media::{MediaFault, MediaFile, StoredMedia};
pub use services::{Inbound, MessagingService};
pub use settings::{Account, ApiKey, LegPolicy, OriginMapping, Pace, SimulatorSettings};

/// A handle to a running simulator. The server stops when the last clone of the handle is dropped.
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
    /// Starts a simulator that accepts connections on `listener`. It must be called within a Tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the HTTP client's TLS cannot be set up or the listener has no local address.
    pub fn start(listener: TcpListener, settings: SimulatorSettings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let carrier = Arc::new(Carrier::new(settings, format!("http://{address}"), clock)?);
        let router = Router::new()
            .merge(api::router())
            .merge(calls::router())
            .merge(control::router())
            .merge(media_api::router())
            .merge(services::router())
            .with_state(carrier.clone());
        let serving = tokio::spawn(connection::serve(listener, router));
        Ok(Self { carrier, _serving: Arc::new(Serving(serving)) })
    }

    /// The base URL of the simulated API, such as `http://127.0.0.1:8090`. Use it in place of `https://api.twilio.com`.
    pub fn base(&self) -> String {
        self.carrier.base.clone()
    }

    /// Every message that the API accepted, oldest first. The simulator keeps the newest 100,000 messages.
    pub fn ledger(&self) -> Vec<SentText> {
        self.carrier.accepted()
    }

    /// The texts that a phone sent and received, oldest first. A text to the phone appears once it is delivered.
    pub fn phone(&self, phone: &str) -> Vec<PhoneText> {
        self.carrier.phone(phone)
    }

    /// Injects a fault into the next messages that `which` matches. Faults are used in the order in which they were
    /// set; if 10,000 are pending, further ones are ignored.
    pub fn set_fault(&self, fault: Fault, which: Match) {
        let _ = self.carrier.add_fault(fault, which);
    }

    /// Injects a random fault into this percentage of messages. The same seed gives the same faults; 0 percent turns
    /// random faults off.
    pub fn set_random_faults(&self, seed: u64, percent: u8) {
        self.carrier.set_random_faults(seed, percent);
    }

    /// Replaces the faults of the REST API. `ApiFaults::default()` removes all of them.
    pub fn set_api_faults(&self, faults: ApiFaults) {
        self.carrier.set_api_faults(faults);
    }

    /// Promotes a secondary auth token, as in Twilio's console: from now on `token` authenticates API requests and
    /// signs webhooks, and the previous token is rejected. An unknown account is ignored.
    pub fn promote_token(&self, account: &str, token: impl Into<SecretString>) {
        if let Some(account) = self.carrier.account(account) {
            account.promote(token.into());
        }
    }

    /// Suspends or reactivates an account. API requests of a suspended account get status 403 and error 20005. An
    /// unknown account is ignored.
    pub fn suspend(&self, account: &str, suspended: bool) {
        if let Some(account) = self.carrier.account(account) {
            account.suspend(suspended);
        }
    }

    /// Sends webhooks for a public origin to a local one. It replaces the previous mapping.
    pub fn map_origin(&self, mapping: OriginMapping) {
        self.carrier.map_origin(mapping);
    }

    /// Sends a text from a phone to a number and returns the status of the webhook's last response; `None` if there was
    /// no response or no webhook.
    ///
    /// # Errors
    /// Returns an error if no account has the number.
    pub async fn text(&self, from: &str, to: &str, body: &str) -> Result<Option<StatusCode>, InboundError> {
        self.send_text(InboundText::new(from, to, body)).await.map(|received| received.status)
    }

    /// Sends a text from a phone to a number, for example with media. If its webhook and the fallback fail, the text
    /// only exists at the carrier.
    ///
    /// # Errors
    /// Returns an error if no account has the number or there are more than ten media files.
    pub async fn send_text(&self, text: InboundText) -> Result<ReceivedText, InboundError> {
        self.carrier.text(text).await
    }

    /// Adds a text from a phone that only exists at the carrier: no webhook is sent. The opt-out filter applies.
    ///
    /// # Errors
    /// Returns an error if no account has the number or there are more than ten media files.
    pub fn carry_text(&self, text: InboundText) -> Result<ReceivedText, InboundError> {
        self.carrier.carry_text(text)
    }

    /// Adds texts as [`Simulator::carry_text`] does, in this order.
    ///
    /// # Errors
    /// Returns the first error. The texts before it have been added.
    pub fn carry_texts(&self, texts: impl IntoIterator<Item = InboundText>) -> Result<Vec<ReceivedText>, InboundError> {
        texts.into_iter().map(|text| self.carry_text(text)).collect()
    }

    /// Sends the webhook of a text from a phone, which may have been sent before or never, and returns the status of
    /// the last response; `None` if there was no response or no such text.
    pub async fn repeat_webhook(&self, sid: &str) -> Option<StatusCode> {
        self.carrier.send_webhook_of(sid).await
    }

    /// Adds an ended call that only exists at the carrier: no webhook is sent.
    ///
    /// # Errors
    /// Returns an error if no account has the number.
    pub fn carry_call(&self, call: &CarriedCall) -> Result<CarriedCallSids, UnknownNumber> {
        self.carrier.carry_call(call)
    }

    /// Adds calls as [`Simulator::carry_call`] does, in this order.
    ///
    /// # Errors
    /// Returns the first error. The calls before it have been added.
    pub fn carry_calls(&self, calls: &[CarriedCall]) -> Result<Vec<CarriedCallSids>, UnknownNumber> {
        calls.iter().map(|call| self.carry_call(call)).collect()
    }

    /// Sets a document that the carrier itself serves, a TwiML Bin, as the voice fallback of all numbers; `None` for the
    /// fallback URL of the settings. With a `<Record>` in it, callers can leave a voicemail while every webhook fails.
    pub fn set_voice_fallback(&self, twiml: Option<&str>) {
        self.carrier.calls.set_voice_fallback(twiml.map(str::to_owned));
    }

    /// The media of a message, in their order. The media of an outbound message are those that were fetched.
    pub fn media(&self, message: &str) -> Vec<StoredMedia> {
        self.carrier.media(message)
    }

    /// Replaces the fault of a media file by its SID; `None` removes it. An unknown file is ignored.
    pub fn set_media_fault(&self, media: &str, fault: impl Into<Option<MediaFault>>) {
        let _ = self.carrier.state().media.set_fault(media, fault.into());
    }

    /// The number of requests to the content server that carried an `Authorization` header. Each was rejected, and each
    /// is a leak: the content server is not Twilio's API.
    pub fn leaked_credentials(&self) -> usize {
        self.carrier.state().media.leaks
    }

    /// Injects a fault into the next requests for a list. Faults are used in the order in which they were set; if 1,000
    /// are pending, further ones are ignored.
    pub fn set_list_fault(&self, fault: ListFault) {
        self.carrier.state().list_faults.add(fault);
    }

    /// Calls a number from a phone and returns the record of the call once it has ended and all status callbacks have
    /// been sent.
    ///
    /// # Errors
    /// Returns an error if no account has the number.
    pub async fn call(&self, script: CallScript) -> Result<CallRecord, UnknownNumber> {
        self.carrier.call(script).await
    }

    /// Sets what a phone does when it is called. A phone without a script rings and is not answered.
    pub fn set_phone(&self, number: impl Into<String>, script: PhoneScript) {
        self.carrier.calls.set_phone(number.into(), script);
    }

    /// Sets the fault of the status callbacks of calls; `None` removes it.
    pub fn set_callback_fault(&self, fault: impl Into<Option<CallbackFault>>) {
        self.carrier.calls.set_callback_fault(fault.into());
    }

    /// The record of an ended call by its SID; `None` while the call is in progress. Calls made through the API are
    /// included.
    pub fn call_record(&self, sid: &str) -> Option<CallRecord> {
        self.carrier.calls.record(sid)
    }
}
