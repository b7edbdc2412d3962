//! The carrier itself: it accepts messages, carries them to phones, and reports how far they got.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use axum::http::StatusCode;
use tokio::sync::oneshot;

use super::api_faults::ApiFaults;
use super::calls::CallBook;
use super::faults::{Fault, Match, Plan, TooMany};
use super::ledger::{CAPACITY, Direction, Ledger, Message, PhoneText, SentText, Status, Step};
use super::opt_out::{Keyword, OptOuts};
use super::settings::{Account, Deliver, SimulatorSettings};
use super::webhook::{NoAnswer, Webhooks, failure};
use crate::ports::{Clock, IdGen};

pub(super) struct Carrier {
    pub(super) settings: SimulatorSettings,
    /// Where it answers.
    pub(super) base: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdGen>,
    pub(super) webhooks: Webhooks,
    pub(super) calls: CallBook,
    held: Mutex<Held>,
}

struct Held {
    ledger: Ledger,
    plan: Plan,
    api_faults: ApiFaults,
    opt_outs: OptOuts,
}

/// No account has this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no account has this number")]
pub struct NoSuchNumber;

/// A message as the API was asked to send it.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) body: String,
    pub(super) status_callback: Option<String>,
    /// How long it may wait, in seconds.
    pub(super) validity_seconds: Option<u32>,
}

impl Wanted {
    /// A message of which nothing is reported.
    fn of(from: &str, to: &str, body: &str) -> Self {
        let (from, to, body) = (from.to_owned(), to.to_owned(), body.to_owned());
        Self { from, to, body, status_callback: None, validity_seconds: None }
    }
}

/// What the API is to answer.
pub(super) enum Answer {
    Created(Box<Message>),
    Refused(u32),
    /// With an HTTP status other than 400: the status, Twilio's code, and what `Retry-After` says in seconds.
    RefusedWith(u16, u32, Option<u32>),
    TooManyRequests(u32),
    ServerError,
    HangUp,
}

impl Carrier {
    pub(super) fn new(
        settings: SimulatorSettings,
        base: String,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGen>,
    ) -> anyhow::Result<Self> {
        let mut plan = Plan::default();
        if let Some((seed, percent)) = settings.random_faults {
            plan.randomly(seed, percent);
        }
        let held = Held {
            ledger: Ledger::new(CAPACITY),
            plan,
            api_faults: ApiFaults::default(),
            opt_outs: OptOuts::default(),
        };
        let deliver = RwLock::new(settings.deliver.clone());
        let webhooks = Webhooks::new(deliver, settings.pace.repeat, clock.clone())?;
        Ok(Self { settings, base, clock, ids, webhooks, calls: CallBook::default(), held: Mutex::new(held) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accepted(&self) -> Vec<SentText> {
        self.held().ledger.accepted()
    }

    pub(super) fn phone(&self, phone: &str) -> Vec<PhoneText> {
        self.held().ledger.phone(phone)
    }

    pub(super) fn message(&self, account: &str, sid: &str) -> Option<Message> {
        self.held().ledger.get(sid).filter(|message| message.account == account).cloned()
    }

    /// An account's messages that fit, the newest first.
    pub(super) fn messages(&self, fits: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.held().ledger.all().rev().filter(|message| fits(message)).cloned().collect()
    }

    /// The account with this SID.
    pub(super) fn account(&self, sid: &str) -> Option<&Account> {
        self.settings.accounts.iter().find(|account| account.sid == sid)
    }

    pub(super) fn set_api_faults(&self, faults: ApiFaults) {
        self.held().api_faults = faults;
    }

    pub(super) fn api_faults(&self) -> ApiFaults {
        self.held().api_faults
    }

    pub(super) fn order(&self, fault: Fault, which: Match) -> Result<(), TooMany> {
        self.held().plan.order(fault, which)
    }

    pub(super) fn randomly(&self, seed: u64, percent: u8) {
        self.held().plan.randomly(seed, percent);
    }

    pub(super) fn deliver_to(&self, deliver: Deliver) {
        self.webhooks.deliver_to(deliver);
    }

    /// Takes a message from the API, or does what has been ordered to go wrong with it.
    pub(super) async fn send(self: &Arc<Self>, account: &Account, wanted: Wanted) -> Answer {
        let (message, fault) = {
            let mut held = self.held();
            if self.settings.opt_out_filter && held.opt_outs.forbid(&wanted.from, &wanted.to) {
                return Answer::Refused(21610);
            }
            let fault = held.plan.next(&wanted.to);
            match fault {
                Some(Fault::DropBeforeAccepting) => return Answer::HangUp,
                Some(Fault::ErrorBeforeAccepting) => return Answer::ServerError,
                Some(Fault::TooManyRequests { seconds }) => return Answer::TooManyRequests(seconds),
                Some(Fault::Reject { code }) => return Answer::Refused(code),
                Some(Fault::RejectWith { status, code, seconds }) => return Answer::RefusedWith(status, code, seconds),
                Some(Fault::CallbackUnusable) if wanted.status_callback.is_some() => return Answer::Refused(21609),
                _ => {}
            }
            let message = self.message_of(&account.sid, wanted, Direction::OutboundApi, Status::Queued);
            held.ledger.add(message.clone());
            (message, fault)
        };
        // Whoever asked may go away meanwhile; the message goes its way.
        let (told, first) = oneshot::channel();
        let (carrier, carried) = (self.clone(), message.clone());
        tokio::spawn(async move {
            if fault == Some(Fault::CallbackFirst) {
                carrier.report(&carried, Status::Sent, None).await;
            }
            // Nobody may be waiting.
            let _ = told.send(());
            carrier.carry(carried, fault).await;
        });
        if fault == Some(Fault::CallbackFirst) {
            // It comes, unless the whole carrier goes.
            let _ = first.await;
        }
        match fault {
            Some(Fault::DropAfterAccepting) => Answer::HangUp,
            Some(Fault::ErrorAfterAccepting) => Answer::ServerError,
            Some(Fault::Slow { seconds }) => {
                self.clock.sleep(std::time::Duration::from_secs(seconds.into())).await;
                Answer::Created(Box::new(message))
            }
            _ => Answer::Created(Box::new(message)),
        }
    }

    /// A message's way to its phone, with the reports of it.
    async fn carry(self: Arc<Self>, message: Message, fault: Option<Fault>) {
        let steps = match fault {
            Some(Fault::Failed { code }) => vec![(Status::Failed, Some(code))],
            Some(Fault::Undelivered { code }) => vec![(Status::Sent, None), (Status::Undelivered, Some(code))],
            _ => vec![(Status::Sent, None), (Status::Delivered, None)],
        };
        let pauses = [self.settings.pace.sent, self.settings.pace.delivered];
        let mut late = Vec::new();
        for ((status, error_code), pause) in steps.into_iter().zip(pauses) {
            self.clock.sleep(pause).await;
            self.held().ledger.change(&message.sid, Step { status, error_code }, self.clock.now());
            match fault {
                Some(Fault::CallbacksLost) => {}
                Some(Fault::CallbacksReordered) => late.push((status, error_code)),
                Some(Fault::CallbacksDuplicated) => {
                    self.report(&message, status, error_code).await;
                    self.report(&message, status, error_code).await;
                }
                _ => self.report(&message, status, error_code).await,
            }
        }
        for (status, error_code) in late.into_iter().rev() {
            self.report(&message, status, error_code).await;
        }
    }

    async fn report(&self, message: &Message, status: Status, error_code: Option<u32>) {
        let Some(address) = &message.status_callback else { return };
        let Some(account) = self.settings.accounts.iter().find(|account| account.sid == message.account) else {
            return;
        };
        let mut form = vec![
            ("MessageSid", message.sid.clone()),
            ("SmsSid", message.sid.clone()),
            ("MessageStatus", status.word().to_owned()),
            ("SmsStatus", status.word().to_owned()),
            ("AccountSid", account.sid.clone()),
            ("From", message.from.clone()),
            ("To", message.to.clone()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        form.extend(error_code.map(|code| ("ErrorCode", code.to_string())));
        // Nobody waits for the answer: whether it is to be repeated has been seen to.
        let _ = self.webhooks.post(account, address, &form).await;
    }

    /// Somebody at a phone texts a number. Gives the message's SID and the last answer of the webhook or its fallback.
    pub(super) async fn text(
        &self,
        from: &str,
        to: &str,
        body: &str,
    ) -> Result<(String, Option<StatusCode>), NoSuchNumber> {
        let account = self.settings.account_of(to).ok_or(NoSuchNumber)?;
        let wanted = Wanted::of(from, to, body);
        let message = self.message_of(&account.sid, wanted, Direction::Inbound, Status::Received);
        let Some(address) = self.settings.inbound_url_of(to) else { return Ok((message.sid, None)) };
        let keyword = Keyword::of(to, body).filter(|_| self.settings.opt_out_filter);
        {
            let mut held = self.held();
            held.ledger.add(message.clone());
            if let Some(keyword) = keyword {
                held.opt_outs.keep(keyword, to, from);
                let reply = Wanted::of(to, from, keyword.reply());
                held.ledger.add(self.message_of(&account.sid, reply, Direction::OutboundReply, Status::Delivered));
            }
        }
        let mut form = vec![
            ("MessageSid", message.sid.clone()),
            ("SmsSid", message.sid.clone()),
            ("SmsMessageSid", message.sid.clone()),
            ("SmsStatus", "received".to_owned()),
            ("AccountSid", account.sid.clone()),
            ("From", message.from),
            ("To", message.to),
            ("Body", message.body),
            ("NumMedia", "0".to_owned()),
            ("NumSegments", "1".to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        form.extend(keyword.map(|keyword| ("OptOutType", keyword.word().to_owned())));
        let mut answered = self.webhooks.post(account, address, &form).await;
        let error_code = match &answered {
            Ok(answer) if answer.status.is_success() => None,
            Ok(_) | Err(NoAnswer::Timeout) => Some("11200"),
            Err(NoAnswer::Connection) => Some("11205"),
        };
        if let Some(error_code) = error_code {
            // The fallback address is that of the texts.
            form.extend(failure(error_code, address));
            answered = self.webhooks.post(account, address, &form).await;
        }
        Ok((message.sid, answered.ok().map(|answer| answer.status)))
    }

    fn message_of(&self, account: &str, wanted: Wanted, direction: Direction, status: Status) -> Message {
        let now = self.clock.now();
        Message {
            sid: format!("SM{}", self.ids.uuid(now).simple()),
            account: account.to_owned(),
            from: wanted.from,
            to: wanted.to,
            body: wanted.body,
            direction,
            status,
            status_callback: wanted.status_callback,
            validity_seconds: wanted.validity_seconds,
            error_code: None,
            created: now,
            updated: now,
            sent: (direction != Direction::OutboundApi).then_some(now),
        }
    }
}
