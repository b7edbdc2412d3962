//! The messages that the carrier holds, the newest so many of them.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// More than any test sends; an old one goes for each further one.
pub(super) const CAPACITY: usize = 100_000;

/// What has become of a message, in Twilio's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted.
    Queued,
    /// On its way to the phone.
    Sent,
    /// On the phone.
    Delivered,
    /// Sent, and not taken.
    Undelivered,
    /// Not even sent.
    Failed,
    /// Came from a phone.
    Received,
}

impl Status {
    /// Its name at Twilio.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Received => "received",
        }
    }
}

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// A phone.
    Inbound,
    /// The API.
    OutboundApi,
    /// The carrier itself, in answer to STOP, START or HELP.
    OutboundReply,
}

impl Direction {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundReply => "outbound-reply",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) sid: String,
    pub(super) account: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) body: String,
    pub(super) direction: Direction,
    pub(super) status: Status,
    pub(super) status_callback: Option<String>,
    pub(super) validity_seconds: Option<u32>,
    pub(super) error_code: Option<u32>,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) sent: Option<DateTime<Utc>>,
}

/// A message that was accepted by the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentText {
    /// Its SID.
    pub sid: String,
    /// The account's SID.
    pub account: String,
    /// The number that it is from.
    pub from: String,
    /// The phone that it is for.
    pub to: String,
    /// The text.
    pub body: String,
    /// What has become of it.
    pub status: Status,
    /// Why it was not delivered.
    pub error_code: Option<u32>,
    /// Where its statuses are reported.
    pub status_callback: Option<String>,
    /// How long it may wait before it is sent, in seconds.
    pub validity_seconds: Option<u32>,
    /// When it was accepted.
    pub at: DateTime<Utc>,
}

/// Which way a text went, as the person at the phone sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PhoneDirection {
    /// The phone received it.
    In,
    /// The phone sent it.
    Out,
}

/// A text on a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneText {
    /// Which way it went.
    pub direction: PhoneDirection,
    /// The other number.
    pub number: String,
    /// The text.
    pub body: String,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// What the carrier has written beside it: `delivered`, or `received` by the carrier.
    pub status: Status,
}

#[derive(Debug)]
pub(super) struct Ledger {
    messages: VecDeque<Message>,
    /// How many have gone.
    gone: usize,
    /// The place of each, counted from the very first.
    places: HashMap<String, usize>,
    capacity: usize,
}

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self { messages: VecDeque::new(), gone: 0, places: HashMap::new(), capacity }
    }

    pub(super) fn add(&mut self, message: Message) {
        if self.messages.len() == self.capacity
            && let Some(oldest) = self.messages.pop_front()
        {
            self.places.remove(&oldest.sid);
            self.gone += 1;
        }
        self.places.insert(message.sid.clone(), self.gone + self.messages.len());
        self.messages.push_back(message);
    }

    pub(super) fn get(&self, sid: &str) -> Option<&Message> {
        self.messages.get(self.places.get(sid)?.checked_sub(self.gone)?)
    }

    /// Writes down what has become of a message, and gives it as it is then, if it is still held.
    pub(super) fn change(&mut self, sid: &str, step: Step, now: DateTime<Utc>) -> Option<Message> {
        let place = self.places.get(sid)?.checked_sub(self.gone)?;
        let message = self.messages.get_mut(place)?;
        message.status = step.status;
        message.error_code = step.error_code;
        message.updated = now;
        if step.status == Status::Sent {
            message.sent = Some(now);
        }
        Some(message.clone())
    }

    /// All messages, the oldest first.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.iter()
    }

    pub(super) fn accepted(&self) -> Vec<SentText> {
        let by_the_api = self.all().filter(|message| message.direction == Direction::OutboundApi);
        by_the_api.map(SentText::from).collect()
    }

    pub(super) fn phone(&self, phone: &str) -> Vec<PhoneText> {
        self.all().filter_map(|message| PhoneText::of(phone, message)).collect()
    }
}

/// One step of a message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) status: Status,
    pub(super) error_code: Option<u32>,
}

impl From<&Message> for SentText {
    fn from(message: &Message) -> Self {
        Self {
            sid: message.sid.clone(),
            account: message.account.clone(),
            from: message.from.clone(),
            to: message.to.clone(),
            body: message.body.clone(),
            status: message.status,
            error_code: message.error_code,
            status_callback: message.status_callback.clone(),
            validity_seconds: message.validity_seconds,
            at: message.created,
        }
    }
}

impl PhoneText {
    /// The message as this phone has it. A phone has only what reached it.
    fn of(phone: &str, message: &Message) -> Option<Self> {
        let (direction, number) = match message.direction {
            Direction::Inbound if message.from == phone => (PhoneDirection::Out, &message.to),
            Direction::Inbound => return None,
            _ if message.to == phone && message.status == Status::Delivered => (PhoneDirection::In, &message.from),
            _ => return None,
        };
        let (body, at) = (message.body.clone(), message.sent.unwrap_or(message.created));
        Some(Self { direction, number: number.clone(), body, at, status: message.status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sid: &str) -> Message {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Message {
            sid: sid.to_owned(),
            account: "AC1".to_owned(),
            from: "+13035550100".to_owned(),
            to: "+13035560001".to_owned(),
            body: "hello".to_owned(),
            direction: Direction::OutboundApi,
            status: Status::Queued,
            status_callback: None,
            validity_seconds: None,
            error_code: None,
            created: now,
            updated: now,
            sent: None,
        }
    }

    #[test]
    fn the_oldest_go_and_the_others_are_found() {
        let mut ledger = Ledger::new(2);
        for sid in ["a", "b", "c"] {
            ledger.add(message(sid));
        }
        assert!(ledger.get("a").is_none());
        let step = Step { status: Status::Delivered, error_code: None };
        let now = DateTime::from_timestamp(1_800_000_001, 0).unwrap();
        assert!(ledger.change("a", step, now).is_none());
        assert_eq!(ledger.change("c", step, now).unwrap().status, Status::Delivered);
        assert_eq!(ledger.get("b").unwrap().status, Status::Queued);
        assert_eq!(ledger.accepted().len(), 2);
    }

    #[test]
    fn a_phone_has_only_what_reached_it() {
        let mut ledger = Ledger::new(2);
        ledger.add(message("a"));
        assert!(ledger.phone("+13035560001").is_empty());
        let now = DateTime::from_timestamp(1_800_000_001, 0).unwrap();
        ledger.change("a", Step { status: Status::Delivered, error_code: None }, now);
        assert_eq!(ledger.phone("+13035560001").len(), 1);
        assert!(ledger.phone("+13035550100").is_empty());
    }
}
