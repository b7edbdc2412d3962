//! Texts: accepts messages from the API and from phones, delivers them, and reports their status.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::oneshot;

use uuid::Uuid;

use super::api_faults::ApiFaults;
use super::calls::CallStore;
use super::faults::{Fault, FaultPlan, Match, TooManyFaults};
use super::ledger::{CAPACITY, Direction, Ledger, Message, MessageStatus, PhoneText, SentText, StatusChange};
use super::list_faults::ListFaults;
use super::media::{Media, MediaStore, StoredMedia};
use super::opt_out::OptOuts;
use super::settings::{Account, OriginMapping, SimulatorSettings};
use super::webhook::Webhooks;
use crate::clock::Clock;

pub(super) struct Carrier {
    pub(super) settings: SimulatorSettings,
    /// The base URL of the simulated API.
    pub(super) base: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) webhooks: Webhooks,
    pub(super) calls: CallStore,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) media: MediaStore,
    faults: FaultPlan,
    pub(super) api_faults: ApiFaults,
    pub(super) list_faults: ListFaults,
    pub(super) opt_outs: OptOuts,
}

/// No account has the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no account has this number")]
pub struct UnknownNumber;

/// A message to send.
#[derive(Debug, Clone)]
pub(super) struct MessageRequest {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) body: String,
    /// The URLs from which the carrier fetches the media.
    pub(super) media_urls: Vec<String>,
    pub(super) status_callback: Option<String>,
    /// The time that the message may wait before it is sent, in seconds.
    pub(super) validity_seconds: Option<u32>,
}

impl MessageRequest {
    /// A message without media and without a status callback.
    pub(super) fn new(from: &str, to: &str, body: &str) -> Self {
        let (from, to, body) = (from.to_owned(), to.to_owned(), body.to_owned());
        Self { from, to, body, media_urls: Vec::new(), status_callback: None, validity_seconds: None }
    }
}

/// The response to a request to send a message.
pub(super) enum SendOutcome {
    Created(Box<Message>),
    /// Status 400 with this error code of Twilio's.
    Rejected(u32),
    /// An HTTP status other than 400, Twilio's error code, and the value of `Retry-After` in seconds.
    RejectedWith(u16, u32, Option<u32>),
    /// Status 429 and the value of `Retry-After` in seconds.
    TooManyRequests(u32),
    ServerError,
    /// The connection is closed without a response.
    CloseConnection,
}

impl Carrier {
    pub(super) fn new(settings: SimulatorSettings, base: String, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let mut faults = FaultPlan::default();
        if let Some((seed, percent)) = settings.random_faults {
            faults.set_random(seed, percent);
        }
        let state = State {
            ledger: Ledger::new(CAPACITY),
            media: MediaStore::default(),
            faults,
            api_faults: ApiFaults::default(),
            list_faults: ListFaults::default(),
            opt_outs: OptOuts::default(),
        };
        let origin_mapping = RwLock::new(settings.origin_mapping.clone());
        let webhooks = Webhooks::new(origin_mapping, settings.pace.retry, clock.clone())?;
        Ok(Self { settings, base, clock, webhooks, calls: CallStore::default(), state: Mutex::new(state) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accepted(&self) -> Vec<SentText> {
        self.state().ledger.accepted()
    }

    pub(super) fn phone(&self, phone: &str) -> Vec<PhoneText> {
        self.state().ledger.phone(phone)
    }

    pub(super) fn message(&self, account: &str, sid: &str) -> Option<Message> {
        self.state().ledger.get(sid).filter(|message| message.account == account).cloned()
    }

    pub(super) fn media(&self, message: &str) -> Vec<StoredMedia> {
        let state = self.state();
        let stored = |media: &Media| StoredMedia {
            sid: media.sid.clone(),
            content_type: media.file.content_type.clone(),
            bytes: media.file.bytes.clone(),
            file_name: media.file.file_name.clone(),
        };
        state.media.of_message(message).map(stored).collect()
    }

    /// Deletes a message and its media. Twilio deletes both since October 2020.
    /// Source: Twilio, "Deleting messages, message media or message bodies".
    pub(super) fn delete_message(&self, sid: &str) {
        let mut state = self.state();
        state.ledger.delete(sid);
        state.media.remove_all(sid);
    }

    /// The matching messages, in the reverse order in which they were added.
    pub(super) fn messages(&self, matches: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.state().ledger.listed().rev().filter(|message| matches(message)).cloned().collect()
    }

    pub(super) fn account(&self, sid: &str) -> Option<&Account> {
        self.settings.accounts.iter().find(|account| account.sid == sid)
    }

    pub(super) fn set_api_faults(&self, faults: ApiFaults) {
        self.state().api_faults = faults;
    }

    pub(super) fn api_faults(&self) -> ApiFaults {
        self.state().api_faults
    }

    pub(super) fn add_fault(&self, fault: Fault, which: Match) -> Result<(), TooManyFaults> {
        self.state().faults.add(fault, which)
    }

    pub(super) fn set_random_faults(&self, seed: u64, percent: u8) {
        self.state().faults.set_random(seed, percent);
    }

    pub(super) fn map_origin(&self, mapping: OriginMapping) {
        self.webhooks.map_origin(mapping);
    }

    /// Accepts a message from the API, unless a fault prevents it.
    pub(super) async fn send(self: &Arc<Self>, account: &Account, request: MessageRequest) -> SendOutcome {
        let (message, fault) = {
            let mut state = self.state();
            if self.settings.opt_out_filter && state.opt_outs.contains(&request.from, &request.to) {
                return SendOutcome::Rejected(21610);
            }
            let fault = state.faults.take(&request.to);
            match fault {
                Some(Fault::DropBeforeAccepting) => return SendOutcome::CloseConnection,
                Some(Fault::ErrorBeforeAccepting) => return SendOutcome::ServerError,
                Some(Fault::TooManyRequests { seconds }) => return SendOutcome::TooManyRequests(seconds),
                Some(Fault::Reject { code }) => return SendOutcome::Rejected(code),
                Some(Fault::RejectWith { status, code, seconds }) => {
                    return SendOutcome::RejectedWith(status, code, seconds);
                }
                Some(Fault::CallbackUnusable) if request.status_callback.is_some() => {
                    return SendOutcome::Rejected(21609);
                }
                _ => {}
            }
            let message = self.new_message(&account.sid, request, Direction::OutboundApi, MessageStatus::Queued);
            state.ledger.add(message.clone());
            (message, fault)
        };
        // A task of its own, so that the message is delivered even if the client disconnects.
        let (reported, first_report) = oneshot::channel();
        let (carrier, accepted) = (self.clone(), message.clone());
        tokio::spawn(async move {
            if fault == Some(Fault::CallbackFirst) {
                carrier.report(&accepted, MessageStatus::Sent, None).await;
            }
            // The receiver is gone if the request does not wait for the first report.
            let _ = reported.send(());
            carrier.deliver(accepted, fault).await;
        });
        if fault == Some(Fault::CallbackFirst) {
            // The sender is dropped early only if the simulator shuts down.
            let _ = first_report.await;
        }
        match fault {
            Some(Fault::DropAfterAccepting) => SendOutcome::CloseConnection,
            Some(Fault::ErrorAfterAccepting) => SendOutcome::ServerError,
            Some(Fault::Slow { seconds }) => {
                self.clock.sleep(std::time::Duration::from_secs(seconds.into())).await;
                SendOutcome::Created(Box::new(message))
            }
            _ => SendOutcome::Created(Box::new(message)),
        }
    }

    /// Delivers a message to its phone and reports each status.
    async fn deliver(self: Arc<Self>, message: Message, fault: Option<Fault>) {
        let failure = match fault {
            Some(Fault::Failed { code }) => Some(code),
            _ => self.store_outbound_media(&message).await.err(),
        };
        let changes = match (fault, failure) {
            (_, Some(code)) => vec![(MessageStatus::Failed, Some(code))],
            (Some(Fault::Undelivered { code }), None) => {
                vec![(MessageStatus::Sent, None), (MessageStatus::Undelivered, Some(code))]
            }
            _ => vec![(MessageStatus::Sent, None), (MessageStatus::Delivered, None)],
        };
        let delays = [self.settings.pace.sent, self.settings.pace.delivered];
        let mut deferred = Vec::new();
        for ((status, error_code), delay) in changes.into_iter().zip(delays) {
            self.clock.sleep(delay).await;
            self.state().ledger.update(&message.sid, StatusChange { status, error_code }, self.clock.now());
            match fault {
                Some(Fault::CallbacksLost) => {}
                Some(Fault::CallbacksReordered) => deferred.push((status, error_code)),
                Some(Fault::CallbacksDuplicated) => {
                    self.report(&message, status, error_code).await;
                    self.report(&message, status, error_code).await;
                }
                _ => self.report(&message, status, error_code).await,
            }
        }
        for (status, error_code) in deferred.into_iter().rev() {
            self.report(&message, status, error_code).await;
        }
    }

    async fn report(&self, message: &Message, status: MessageStatus, error_code: Option<u32>) {
        let Some(address) = &message.status_callback else { return };
        let Some(account) = self.settings.accounts.iter().find(|account| account.sid == message.account) else {
            return;
        };
        let mut form = vec![
            ("MessageSid", message.sid.clone()),
            ("SmsSid", message.sid.clone()),
            ("MessageStatus", status.as_str().to_owned()),
            ("SmsStatus", status.as_str().to_owned()),
            ("AccountSid", account.sid.clone()),
            ("From", message.from.clone()),
            ("To", message.to.clone()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        form.extend(error_code.map(|code| ("ErrorCode", code.to_string())));
        // `post` has made all retries. Like Twilio, the simulator ignores the response to a status callback.
        let _ = self.webhooks.post(account, address, &form).await;
    }

    pub(super) fn new_message(
        &self,
        account: &str,
        request: MessageRequest,
        direction: Direction,
        status: MessageStatus,
    ) -> Message {
        let now = self.clock.now();
        let num_media = request.media_urls.len();
        Message {
            sid: message_sid(num_media),
            account: account.to_owned(),
            from: request.from,
            to: request.to,
            body: request.body,
            num_media,
            media_urls: request.media_urls,
            direction,
            status,
            status_callback: request.status_callback,
            validity_seconds: request.validity_seconds,
            error_code: None,
            created: now,
            updated: now,
            sent: (direction != Direction::OutboundApi).then_some(now),
        }
    }
}

/// A new SID of a message with this number of media files.
pub(super) fn message_sid(num_media: usize) -> String {
    let prefix = if num_media == 0 { "SM" } else { "MM" };
    format!("{prefix}{}", Uuid::new_v4().simple())
}
